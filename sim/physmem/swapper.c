#include "swapper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backing.h"
#include "base/allotment.h"
#include "base/assert.h"
#include "base/handles.h"
#include "client/hello.h"
#include "client/link.h"
#include "os/clock.h"
#include "os/extent.h"

/* The number of the account's own extent at the swap server. Those of the core are handles, which are never 0. */
#define STAGING 0u

/* Requests of one account that give something back and are not answered: the swap server takes 256 in all. */
#define FREEING_MOST 64u

/* See base/allotment.h: of all accounts, each of which has two descriptors. */
#define SHARE_ACCOUNTS 8u

/* Slots to be given back for which there is room at first. */
#define UNNEEDED_FIRST 64u

/* Accounts that can be found by handle at first. */
#define PLACES_FIRST 16u

/* A message that the socket did not take yet. */
struct queued {
    struct queued *next;
    int fd; /* that goes with it; or -1 */
    struct wire_message message;
};

/* A connection, which outlives its account until libuv has let go of it. */
struct line {
    uv_poll_t poll; /* first */
    struct link link;
    struct account *account; /* NULL: it is being closed */
    struct queued *queued;
    unsigned char buffer[LINK_BUFFER];
};

/* What was asked, and not answered. */
enum asked { ASKED_HELLO, ASKED_ACCOUNT, ASKED_RESERVE, ASKED_STORE, ASKED_LOAD, ASKED_FREE };

struct ask {
    struct ask *next;
    struct operation *operation; /* NULL: of the account itself */
    uint32_t seq;
    uint32_t count;
    uint8_t what;              /* enum asked */
    uint8_t place[WIRE_BATCH]; /* in the operation, of each page */
};

struct account {
    struct account *next, *prev;
    struct account *next_dirty;
    struct service *service;
    struct user *user;  /* one reference: whose share it counts for, after its task has gone, too */
    struct line *line;  /* NULL: there is no connection */
    struct ask *asks;   /* oldest first */
    uint32_t handle;    /* of the core */
    uint32_t *unneeded; /* slots to be freed */
    uint32_t unneeded_count;
    uint32_t unneeded_room;
    uint32_t refund;  /* slots to be reserved no longer, after that */
    int staging;      /* its own extent; -1: not made yet */
    uint32_t freeing; /* such requests that were not answered */
    bool dirty;
    char name[WIRE_NAME];
};

/* One effect that is answered when all that it asks is, or when that takes too long. */
struct operation {
    struct operation *next, *prev; /* of those that are not answered, in their order */
    uint64_t until_ns;             /* when it is given up */
    uint32_t account;              /* handle */
    uint32_t extent;
    uint32_t error;
    uint32_t waits; /* asks */
    uint32_t count;
    uint32_t reserve; /* slots that a store has reserved */
    bool load;
    bool given_up; /* the answer was waited for in vain, and the core knows */
    struct physmem_swapped page[PHYSMEM_SWAP_MAX];
};

struct swapper {
    uv_loop_t *loop;
    void (*run)(struct service *service);
    const char *path;
    struct account *accounts;
    struct account *dirty;
    struct account **place; /* by handle, without its generation */
    uint32_t places;
    struct operation *first, *last; /* that are not answered */
    uint64_t patience_ns;
    uv_timer_t patience; /* until the first is given up, if `waits` */
    bool waits;
    uint32_t count; /* of accounts, ... */
    uint32_t most;  /* ... and how many there may be */
    bool stopped;
    struct wire_message message;
};

int swapper_open(struct service *service, uv_loop_t *loop, const struct swapper_options *options,
                 void (*run)(struct service *service))
{
    struct swapper *swapper = calloc(1, sizeof(*swapper));

    if (swapper == NULL)
        return -ENOMEM;
    swapper->loop = loop;
    swapper->run = run;
    swapper->path = options->path;
    swapper->most = options->accounts;
    swapper->patience_ns = options->patience_ns;
    service->swapper = swapper;
    return 0;
}

static struct account *account_find(const struct swapper *swapper, uint32_t handle)
{
    uint32_t index = handle & HANDLES_MAX;
    struct account *account = index < swapper->places ? swapper->place[index] : NULL;

    return account != NULL && account->handle == handle ? account : NULL;
}

/* Room to find an account of this handle. Returns 0 or -ENOMEM. */
static int account_room(struct swapper *swapper, uint32_t handle)
{
    uint32_t places = swapper->places == 0 ? PLACES_FIRST : swapper->places;
    struct account **place;

    while (places <= (handle & HANDLES_MAX))
        places *= 2;
    if (places == swapper->places)
        return 0;
    place = realloc(swapper->place, places * sizeof(struct account *));
    if (place == NULL)
        return -ENOMEM;
    memset(place + swapper->places, 0, (places - swapper->places) * sizeof(struct account *));
    swapper->place = place;
    swapper->places = places;
    return 0;
}

/* Whether the swap server has not answered yet what was given up. */
static bool account_is_late(const struct account *account)
{
    const struct ask *asked = account->asks;

    while (asked != NULL && (asked->operation == NULL || !asked->operation->given_up))
        asked = asked->next;
    return asked != NULL;
}

/* ---- Operations ---- */

static void watch_patience(struct service *service);

static void operation_begin(struct swapper *swapper, struct operation *operation)
{
    operation->until_ns = clock_now_ns() + swapper->patience_ns;
    operation->prev = swapper->last;
    if (swapper->last != NULL)
        swapper->last->next = operation;
    else
        swapper->first = operation;
    swapper->last = operation;
}

/* Tell the core what has become of an operation. */
static void operation_tell(struct service *service, struct operation *operation)
{
    struct swapper *swapper = service->swapper;

    ensure(!operation->given_up);
    if (operation->prev != NULL)
        operation->prev->next = operation->next;
    else
        swapper->first = operation->next;
    if (operation->next != NULL)
        operation->next->prev = operation->prev;
    else
        swapper->last = operation->prev;
    if (operation->load)
        physmem_swap_loaded(service->physmem, clock_now_ns(), operation->account, operation->extent,
                            operation->page, operation->count);
    else
        physmem_swap_stored(service->physmem, clock_now_ns(), operation->account, operation->error,
                            operation->page, operation->count);
}

/* One ask of an operation is over: with the last one the core is told. */
static void operation_less(struct service *service, struct operation *operation)
{
    ensure(operation->waits > 0);
    if (--operation->waits > 0)
        return;
    if (!operation->given_up)
        operation_tell(service, operation);
    free(operation);
}

/* There is no answer: nothing of the operation counts any more. What it has stored is given back when the answer comes
 * after all (on_late). */
static void operation_give_up(struct service *service, struct operation *operation)
{
    check(!operation->given_up && operation->waits > 0);
    operation->error = ETIMEDOUT;
    for (uint32_t i = 0; i < operation->count; i++)
        operation->page[i].error = ETIMEDOUT;
    operation_tell(service, operation);
    operation->given_up = true;
}

static void on_patience(uv_timer_t *timer)
{
    struct service *service = timer->data;
    struct swapper *swapper = service->swapper;
    uint64_t now = clock_now_ns();

    while (swapper->first != NULL && swapper->first->until_ns <= now)
        operation_give_up(service, swapper->first);
    watch_patience(service);
    swapper->run(service);
}

static void watch_patience(struct service *service)
{
    struct swapper *swapper = service->swapper;
    uint64_t now = clock_now_ns(), left;

    if (swapper->stopped || swapper->first == NULL)
        return;
    if (!swapper->waits) {
        uv_timer_init(swapper->loop, &swapper->patience);
        swapper->patience.data = service;
        swapper->waits = true;
    }
    if (uv_is_active((uv_handle_t *)&swapper->patience))
        return;
    left = swapper->first->until_ns > now ? swapper->first->until_ns - now : 0;
    uv_timer_start(&swapper->patience, on_patience, left / CLOCK_NS_PER_MS + 1, 0);
}

/* An ask has failed as a whole. */
static void ask_fail(struct service *service, struct ask *ask, int error)
{
    struct operation *operation = ask->operation;

    if (operation != NULL && !operation->load)
        operation->error = (uint32_t)error;
    for (uint32_t i = 0; operation != NULL && operation->load && i < ask->count; i++)
        operation->page[ask->place[i]].error = (uint32_t)error;
    free(ask);
    if (operation != NULL)
        operation_less(service, operation);
}

/* ---- Connections ---- */

static void on_line_closed(uv_handle_t *handle)
{
    struct line *line = (struct line *)(void *)handle;
    struct queued *queued;

    link_close(&line->link);
    while ((queued = line->queued) != NULL) {
        line->queued = queued->next;
        if (queued->fd >= 0)
            close(queued->fd);
        free(queued);
    }
    free(line);
}

/* The connection of an account is over. What was asked fails, and the core is told that all is gone. */
static void account_lost(struct account *account, int error)
{
    struct service *service = account->service;
    uint32_t handle = account->handle;
    struct line *line = account->line;
    struct ask *ask, *asks = account->asks;

    if (line == NULL)
        return;
    account->line = NULL;
    account->asks = NULL;
    account->unneeded_count = 0;
    account->refund = 0;
    account->freeing = 0;
    line->account = NULL;
    uv_close((uv_handle_t *)&line->poll, on_line_closed);
    if (!service->swapper->stopped)
        log_line(&service->server.log, "swap", "what task %s had in swap is lost: %s",
                 account->name, error == EPIPE ? "the swap server has ended" : strerror(error));
    while ((ask = asks) != NULL) {
        asks = ask->next;
        ask_fail(service, ask, error);
    }
    physmem_swap_lost(service->physmem, clock_now_ns(), handle);
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void line_watch(struct line *line)
{
    uv_poll_start(&line->poll, UV_READABLE | (line->queued != NULL ? UV_WRITABLE : 0), on_poll);
}

/* Send a message, now or later. A connection that takes nothing any more is found out when it is read. */
static void line_send(struct line *line, const struct wire_message *message, int borrowed_fd)
{
    struct queued **end = &line->queued;
    struct queued *queued;
    int code = line->queued == NULL ? link_send(&line->link, message, borrowed_fd) : -EAGAIN;

    ensure(code != -EINVAL);
    if (code != -EAGAIN)
        return;
    queued = malloc(sizeof(*queued));
    if (queued != NULL) {
        *queued = (struct queued){NULL, -1, *message};
        if (borrowed_fd >= 0)
            queued->fd = dup(borrowed_fd);
    }
    if (queued == NULL || (borrowed_fd >= 0 && queued->fd < 0)) {
        free(queued);
        shutdown(line->link.fd, SHUT_RDWR); /* without this message the rest means something else */
        return;
    }
    while (*end != NULL)
        end = &(*end)->next;
    *end = queued;
    line_watch(line);
}

static void send_queued(struct line *line)
{
    struct queued *first;

    while ((first = line->queued) != NULL) {
        if (link_send(&line->link, &first->message, first->fd) == -EAGAIN)
            return;
        line->queued = first->next;
        if (first->fd >= 0)
            close(first->fd);
        free(first);
    }
    line_watch(line);
}

/* Send a request on the account's connection, which must exist. Returns 0, or -ENOMEM if it was not sent; `operation` does not
 * wait for it then. */
static int ask(struct account *account, struct wire_message *message, enum asked what,
               struct operation *operation, const uint8_t *place, uint32_t count)
{
    struct ask *asked = calloc(1, sizeof(*asked));
    struct ask **end = &account->asks;

    if (asked == NULL)
        return -ENOMEM;
    asked->operation = operation;
    asked->seq = what == ASKED_HELLO ? 1 : link_next_seq(&account->line->link);
    asked->what = (uint8_t)what;
    asked->count = count;
    if (count > 0)
        memcpy(asked->place, place, count);
    while (*end != NULL)
        end = &(*end)->next;
    *end = asked;
    message->seq = asked->seq;
    if (operation != NULL)
        operation->waits++;
    line_send(account->line, message, -1);
    return 0;
}

/* Send the name and the user of the account. The user is sent even if it is the one that physmem runs as: a swap server
 * with --keep keeps nothing for a client that names a user. */
static int greet(struct account *account)
{
    const struct hello hello = {.role = WIRE_ROLE_TASK, .name = account->name};
    struct wire_message message;
    int code;

    hello_fill(&message, &hello);
    account->line->link.seq = 1;
    code = ask(account, &message, ASKED_HELLO, NULL, NULL, 0);
    if (code != 0)
        return code;
    message = (struct wire_message){.type = WIRE_ACCOUNT};
    message.account.uid = account->user->uid;
    return ask(account, &message, ASKED_ACCOUNT, NULL, NULL, 0);
}

/* Give the swap server the account's own extent. */
static void give_staging(struct account *account)
{
    struct wire_message message = {.type = WIRE_GIVE_EXTENT, .nfds = 1};

    message.give_extent.extent = STAGING;
    message.give_extent.pages = PHYSMEM_SWAP_MAX;
    line_send(account->line, &message, account->staging);
}

/* Connect an account that is not. Returns 0 or a negative errno. */
static int account_connect(struct account *account)
{
    struct swapper *swapper = account->service->swapper;
    struct line *line;
    int fd, code;

    if (account->line != NULL)
        return 0;
    if (swapper->stopped)
        return -EPIPE;
    if (account->staging < 0)
        account->staging = extent_create("selfpage-to-swap", PHYSMEM_SWAP_MAX, NULL);
    if (account->staging < 0)
        return account->staging;
    fd = sock_connect_now(swapper->path);
    if (fd < 0)
        return fd == -EAGAIN ? -EAGAIN : -EPIPE;
    line = calloc(1, sizeof(*line));
    code = line == NULL ? -ENOMEM : uv_poll_init(swapper->loop, &line->poll, fd);
    if (code < 0) {
        free(line);
        close(fd);
        return code;
    }
    link_init(&line->link, fd, line->buffer, sizeof(line->buffer));
    line->account = account;
    account->line = line;
    line_watch(line);
    code = greet(account);
    if (code != 0)
        account_lost(account, -code);
    return code;
}

/* ---- What nobody needs ---- */

/* So many reservations, and this slot, unless it is none, are to be given back. */
static void account_return(struct account *account, uint32_t slot, uint32_t refund)
{
    struct swapper *swapper = account->service->swapper;

    ensure(account->line != NULL);
    account->refund += refund;
    if (slot != PHYSMEM_NO_SLOT && slot != WIRE_SLOT_ZERO) {
        if (account->unneeded_count == account->unneeded_room) {
            uint32_t room =
                account->unneeded_room == 0 ? UNNEEDED_FIRST : 2 * account->unneeded_room;
            uint32_t *unneeded = realloc(account->unneeded, room * sizeof(*unneeded));

            if (unneeded == NULL) {
                account_lost(account, ENOMEM);
                return;
            }
            account->unneeded = unneeded;
            account->unneeded_room = room;
        }
        account->unneeded[account->unneeded_count++] = slot;
    }
    if (account->dirty)
        return;
    account->dirty = true;
    account->next_dirty = swapper->dirty;
    swapper->dirty = account;
}

/* ---- Answers ---- */

/* Send the pages of an operation, for which all slots are reserved. */
static int send_store(struct account *account, struct operation *operation)
{
    struct wire_message message = {.type = WIRE_STORE};
    uint8_t place[WIRE_BATCH];

    message.store.pages_count = (uint16_t)operation->count;
    for (uint32_t i = 0; i < operation->count; i++) {
        message.store.pages[i] = (struct wire_place){STAGING, i};
        place[i] = (uint8_t)i;
    }
    return ask(account, &message, ASKED_STORE, operation, place, operation->count);
}

/* Send one request of those that give something back. False: there is no memory for it. */
static bool send_back(struct account *account, struct wire_message *message)
{
    if (ask(account, message, ASKED_FREE, NULL, NULL, 0) != 0)
        return false;
    account->freeing++;
    return true;
}

/* Give back what nobody needs: slots, and then their reservation. It is on its way before anything that is asked for
 * later, unless there is very much of it. */
static void give_back(struct account *account)
{
    bool sent = true;

    while (sent && account->line != NULL && account->freeing < FREEING_MOST &&
           account->unneeded_count > 0) {
        struct wire_message message = {.type = WIRE_FREE};
        uint16_t count = 0;

        while (count < WIRE_BATCH && account->unneeded_count > 0)
            message.free.slots[count++].value = account->unneeded[--account->unneeded_count];
        message.free.slots_count = count;
        sent = send_back(account, &message);
    }
    if (sent && account->line != NULL && account->unneeded_count == 0 && account->refund > 0 &&
        account->freeing < FREEING_MOST) {
        struct wire_message message = {.type = WIRE_RESERVE};

        message.reserve.subtract = account->refund;
        account->refund = 0;
        sent = send_back(account, &message);
    }
    if (!sent)
        account_lost(account, ENOMEM);
}

/* A failed answer of the swap server, as an errno value. */
static uint32_t error_of(const struct wire_message *message, enum wire_type expected)
{
    if (message->error != 0)
        return message->error;
    return message->type == expected ? 0 : EPROTO;
}

static void on_reserved(struct account *account, struct ask *asked,
                        const struct wire_message *message)
{
    struct operation *operation = asked->operation;

    operation->error = error_of(message, WIRE_RESERVED);
    if (operation->error == 0 && operation->count > 0 && send_store(account, operation) != 0)
        operation->error = ENOMEM;
}

static void on_stored(struct ask *asked, const struct wire_message *message)
{
    struct operation *operation = asked->operation;
    uint32_t error = error_of(message, WIRE_STORED);

    if (error == 0 && message->stored.slots_count != asked->count)
        error = EPROTO;
    for (uint32_t i = 0; i < asked->count; i++) {
        struct physmem_swapped *page = &operation->page[asked->place[i]];

        page->error = error != 0 ? error : message->stored.slots[i].error;
        page->slot = error != 0 ? 0 : message->stored.slots[i].slot;
    }
}

static void on_loaded(struct ask *asked, const struct wire_message *message)
{
    uint32_t error = error_of(message, WIRE_LOADED);

    if (error == 0 && message->loaded.errors_count != asked->count)
        error = EPROTO;
    for (uint32_t i = 0; i < asked->count; i++)
        asked->operation->page[asked->place[i]].error =
            error != 0 ? error : message->loaded.errors[i].value;
}

/* The answer to an ask of an operation that was given up: what it has reserved or stored goes back. */
static void on_late(struct account *account, const struct ask *asked,
                    const struct wire_message *message)
{
    const struct operation *operation = asked->operation;

    ensure(operation->given_up);
    if (asked->what == ASKED_RESERVE && error_of(message, WIRE_RESERVED) == 0)
        account_return(account, PHYSMEM_NO_SLOT, operation->reserve);
    if (asked->what != ASKED_STORE)
        return;
    account_return(account, PHYSMEM_NO_SLOT, operation->reserve);
    if (error_of(message, WIRE_STORED) != 0)
        return;
    for (uint32_t i = 0; i < message->stored.slots_count && account->line != NULL; i++)
        if (message->stored.slots[i].error == 0)
            account_return(account, message->stored.slots[i].slot, 0);
}

/* The answer to an ask. Returns 0, or an errno value: the connection is of no use. */
static int on_answer(struct account *account, struct ask *asked, const struct wire_message *message)
{
    int error = 0;

    if (asked->operation != NULL && asked->operation->given_up) {
        on_late(account, asked, message);
        return 0;
    }
    switch ((enum asked)asked->what) {
    case ASKED_HELLO:
        error = -hello_check(message, "swap", NULL);
        if (error == 0) /* descriptors may be sent from now on */
            give_staging(account);
        break;
    case ASKED_ACCOUNT:
        error = (int)error_of(message, WIRE_DONE);
        break;
    case ASKED_RESERVE:
        on_reserved(account, asked, message);
        break;
    case ASKED_STORE:
        on_stored(asked, message);
        break;
    case ASKED_LOAD:
        on_loaded(asked, message);
        break;
    case ASKED_FREE:
        ensure(account->freeing > 0);
        account->freeing--;
        give_back(account);
        break;
    }
    return error;
}

/* Take the oldest ask of this number; NULL: nothing was asked. */
static struct ask *take_ask(struct account *account, uint32_t seq)
{
    for (struct ask **link = &account->asks; *link != NULL; link = &(*link)->next) {
        struct ask *found = *link;

        if (found->seq != seq)
            continue;
        *link = found->next;
        return found;
    }
    return NULL;
}

/* Handle one message. Returns 0 or an errno value. */
static int handle(struct account *account, const struct wire_message *message)
{
    struct ask *asked = message->seq == 0 ? NULL : take_ask(account, message->seq);
    int error;

    if (asked == NULL)
        return 0;
    error = on_answer(account, asked, message);
    if (asked->operation != NULL)
        operation_less(account->service, asked->operation);
    free(asked);
    return error;
}

static void receive(struct line *line)
{
    struct service *service = line->account->service;
    struct wire_message *message = &service->swapper->message;
    int code = 1, fd;

    while (line->account != NULL && (code = link_next(&line->link, message, &fd)) > 0) {
        if (fd >= 0)
            close(fd);
        code = -handle(line->account, message);
        if (code != 0)
            break;
        service->swapper->run(service);
    }
    if (code < 0 && line->account != NULL)
        account_lost(line->account, -code);
    service->swapper->run(service);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct line *line = (struct line *)(void *)poll;

    if (line->account == NULL)
        return;
    if (status < 0) {
        struct service *service = line->account->service;

        account_lost(line->account, EPIPE);
        service->swapper->run(service);
        return;
    }
    if ((events & UV_WRITABLE) != 0)
        send_queued(line);
    if ((events & (UV_READABLE | UV_DISCONNECT)) != 0)
        receive(line);
}

/* ---- Effects ---- */

/* An account for the task of an effect. Returns 0, -ENOMEM or -EMFILE. */
static int account_new(struct service *service, const struct physmem_effect *effect,
                       struct account **accountp)
{
    const struct physmem_identity *identity = physmem_task_identity(effect->task);
    struct swapper *swapper = service->swapper;
    struct user *user = user_take(&service->server.users, identity->uid);
    struct account *account = user != NULL && account_room(swapper, effect->store.account) == 0
                                  ? calloc(1, sizeof(*account))
                                  : NULL;
    bool may = user != NULL &&
               allotment_may(user->files, 1, swapper->count, swapper->most, SHARE_ACCOUNTS);

    if (account == NULL || !may) {
        if (user != NULL)
            user_release(&service->server.users, user);
        free(account);
        return account == NULL ? -ENOMEM : -EMFILE;
    }
    user->files++;
    swapper->count++;
    account->user = user;
    account->service = service;
    account->handle = effect->store.account;
    account->staging = -1;
    memcpy(account->name, identity->name, sizeof(account->name));
    account->next = swapper->accounts;
    if (account->next != NULL)
        account->next->prev = account;
    swapper->accounts = account;
    ensure(swapper->place[account->handle & HANDLES_MAX] == NULL);
    swapper->place[account->handle & HANDLES_MAX] = account;
    *accountp = account;
    return 0;
}

/* Copy the pages of an effect to the account's own extent. Returns 0 or a negative errno. */
static int stage(struct service *service, const struct account *account,
                 const struct physmem_map_item *items, uint32_t count)
{
    uint8_t *bytes = service->moving;

    for (uint32_t i = 0; i < count; i++) {
        int code = 0;

        memset(bytes, 0, SP_PAGE_SIZE);
        if (items[i].rights != 0)
            code = backing_read(service, items[i].descriptor, items[i].offset, bytes);
        if (code == 0 && pwrite(account->staging, bytes, SP_PAGE_SIZE,
                                (off_t)i * (off_t)SP_PAGE_SIZE) != (ssize_t)SP_PAGE_SIZE)
            code = -EIO;
        if (code != 0)
            return code;
    }
    return 0;
}

void swapper_store(struct service *service, const struct physmem_effect *effect)
{
    const struct physmem_map_item *items = physmem_map_items(service->physmem, effect->store.first);
    struct account *account = account_find(service->swapper, effect->store.account);
    struct operation *operation = calloc(1, sizeof(*operation));
    struct wire_message message = {.type = WIRE_RESERVE};
    struct physmem_swapped pages[PHYSMEM_SWAP_MAX];
    int code = operation == NULL ? -ENOMEM : 0;

    for (uint32_t i = 0; i < effect->store.count; i++)
        pages[i] = (struct physmem_swapped){.page = items[i].slot};
    if (code == 0 && account == NULL)
        code = account_new(service, effect, &account);
    if (code == 0)
        code = account_is_late(account) ? -ETIMEDOUT : account_connect(account);
    if (code == 0) /* what is asked for anew may be what was just given back */
        give_back(account);
    if (code == 0 && account->line == NULL)
        code = -ENOMEM;
    if (code == 0)
        code = stage(service, account, items, effect->store.count);
    if (code == 0) {
        operation->account = account->handle;
        operation->count = effect->store.count;
        memcpy(operation->page, pages, sizeof(pages));
        operation->reserve = effect->store.reserve;
        message.reserve.add = effect->store.reserve;
        code = ask(account, &message, ASKED_RESERVE, operation, NULL, 0);
    }
    if (code == 0) {
        operation_begin(service->swapper, operation);
        watch_patience(service);
        return;
    }
    free(operation);
    physmem_swap_stored(service->physmem, clock_now_ns(), effect->store.account, (uint32_t)-code,
                        pages, effect->store.count);
}

/* Ask one account for its pages among those of a load. The extent is lent to it as long as that lasts. */
static void load_from(struct service *service, struct account *account, struct operation *operation,
                      const struct physmem_effect *effect)
{
    const struct physmem_map_item *items = physmem_map_items(service->physmem, effect->load.first);
    struct wire_message message = {.type = WIRE_GIVE_EXTENT, .nfds = 1};
    uint8_t place[WIRE_BATCH];
    uint32_t count = 0;

    message.give_extent.extent = effect->load.extent;
    message.give_extent.pages = effect->load.count;
    line_send(account->line, &message, backing_lend(service, effect->load.descriptor));
    message = (struct wire_message){.type = WIRE_LOAD};
    for (uint32_t i = 0; i < effect->load.count; i++) {
        if (items[i].descriptor != account->handle)
            continue;
        place[count] = (uint8_t)i;
        message.load.pages[count++] =
            (struct wire_loading){items[i].extent, effect->load.extent, items[i].offset};
        operation->page[i].error = 0;
    }
    message.load.pages_count = (uint16_t)count;
    if (ask(account, &message, ASKED_LOAD, operation, place, count) != 0)
        for (uint32_t i = 0; i < count; i++)
            operation->page[place[i]].error = ENOMEM;
    message = (struct wire_message){.type = WIRE_FORGET_EXTENT};
    message.forget_extent.extent = effect->load.extent;
    line_send(account->line, &message, -1);
}

void swapper_load(struct service *service, const struct physmem_effect *effect)
{
    const struct physmem_map_item *items = physmem_map_items(service->physmem, effect->load.first);
    struct operation *operation = calloc(1, sizeof(*operation));
    struct physmem_swapped none[PHYSMEM_SWAP_MAX] = {{0}};

    if (operation == NULL) {
        for (uint32_t i = 0; i < effect->load.count; i++)
            none[i] = (struct physmem_swapped){.page = items[i].slot, .error = ENOMEM};
        physmem_swap_loaded(service->physmem, clock_now_ns(), effect->load.account,
                            effect->load.extent, none, effect->load.count);
        return;
    }
    operation->account = effect->load.account;
    operation->extent = effect->load.extent;
    operation->count = effect->load.count;
    operation->load = true;
    operation->waits = 1; /* until all are asked */
    for (uint32_t i = 0; i < operation->count; i++)
        operation->page[i] = (struct physmem_swapped){.page = items[i].slot, .error = EPIPE};
    operation_begin(service->swapper, operation);
    for (uint32_t i = 0; i < operation->count; i++) {
        struct account *account = account_find(service->swapper, items[i].descriptor);
        bool asked = false;

        for (uint32_t before = 0; before < i; before++)
            asked |= items[before].descriptor == items[i].descriptor;
        if (account != NULL && account_is_late(account))
            operation->page[i].error = ETIMEDOUT;
        else if (account != NULL && account->line != NULL && !asked)
            load_from(service, account, operation, effect);
    }
    operation_less(service, operation);
    watch_patience(service);
}

void swapper_return(struct service *service, const struct physmem_effect *effect)
{
    struct account *account = account_find(service->swapper, effect->unneeded.account);

    if (account != NULL && account->line != NULL)
        account_return(account, effect->unneeded.slot, effect->unneeded.refund);
}

void swapper_flush(struct service *service)
{
    struct account *account;

    if (service->swapper == NULL)
        return;
    while ((account = service->swapper->dirty) != NULL) {
        service->swapper->dirty = account->next_dirty;
        account->dirty = false;
        give_back(account);
    }
}

static void account_free(struct account *account)
{
    struct service *service = account->service;

    ensure(account->asks == NULL && service->swapper->count > 0 && account->user->files > 0);
    service->swapper->count--;
    account->user->files--;
    user_release(&service->server.users, account->user);
    if (account->staging >= 0)
        close(account->staging);
    free(account->unneeded);
    free(account);
}

void swapper_end(struct service *service, const struct physmem_effect *effect)
{
    struct swapper *swapper = service->swapper;
    struct account *account = account_find(swapper, effect->unneeded.account);
    struct account **dirty = &swapper->dirty;
    struct ask *asked;

    if (account == NULL)
        return;
    swapper->place[account->handle & HANDLES_MAX] = NULL;
    if (account->next != NULL)
        account->next->prev = account->prev;
    if (account->prev != NULL)
        account->prev->next = account->next;
    else
        swapper->accounts = account->next;
    while (*dirty != NULL && *dirty != account)
        dirty = &(*dirty)->next_dirty;
    if (*dirty != NULL)
        *dirty = account->next_dirty;
    if (account->line != NULL) {
        account->line->account = NULL;
        uv_close((uv_handle_t *)&account->line->poll, on_line_closed);
    }
    while ((asked = account->asks) != NULL) { /* of a task that has gone while it loaded */
        account->asks = asked->next;
        ask_fail(service, asked, EPIPE);
    }
    account_free(account);
}

void swapper_stop(struct service *service)
{
    if (service->swapper == NULL)
        return;
    service->swapper->stopped = true;
    if (service->swapper->waits)
        uv_close((uv_handle_t *)&service->swapper->patience, NULL);
    for (struct account *a = service->swapper->accounts; a != NULL; a = a->next)
        account_lost(a, EPIPE);
}

void swapper_close(struct service *service)
{
    struct swapper *swapper = service->swapper;
    struct account *account;

    if (swapper == NULL)
        return;
    while ((account = swapper->accounts) != NULL) {
        swapper->accounts = account->next;
        account_free(account);
    }
    free(swapper->place);
    free(swapper);
    service->swapper = NULL;
}

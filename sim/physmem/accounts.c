#include "accounts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/allotment.h"
#include "base/assert.h"
#include "base/handles.h"
#include "client/hello.h"
#include "os/clock.h"
#include "os/extent.h"

/* Requests of one account that give something back and are not answered: the swap server takes 256 in all. */
#define FREEING_MOST 64u

/* See base/allotment.h: of all accounts, each of which has two descriptors. */
#define SHARE_ACCOUNTS 8u

/* Slots to be given back for which there is room at first. */
#define UNNEEDED_FIRST 64u

/* Accounts that can be found by handle at first. */
#define PLACES_FIRST 16u

static int on_message(void *owner, const struct wire_message *message);
static void on_lost(void *owner, int error);

void accounts_init(struct accounts *accounts, struct operations *operations, const char *path,
                   uint32_t most,
                   void (*on_answer)(struct account *account, const struct ask *asked,
                                     const struct wire_message *message))
{
    *accounts = (struct accounts){
        .operations = operations,
        .on_answer = on_answer,
        .lines = {.loop = operations->loop,
                  .path = path,
                  .on_message = on_message,
                  .on_lost = on_lost},
        .most = most,
    };
}

static struct service *service_of(const struct account *account)
{
    return account->accounts->operations->service;
}

/* ---- The table ---- */

struct account *accounts_find(const struct accounts *accounts, uint32_t handle)
{
    uint32_t index = handle & HANDLES_MAX;
    struct account *account = index < accounts->places ? accounts->place[index] : NULL;

    return account != NULL && account->handle == handle ? account : NULL;
}

/* Room to find an account of this handle. Returns 0 or -ENOMEM. */
static int room_for(struct accounts *accounts, uint32_t handle)
{
    uint32_t places = accounts->places == 0 ? PLACES_FIRST : accounts->places;
    struct account **place;

    while (places <= (handle & HANDLES_MAX))
        places *= 2;
    if (places == accounts->places)
        return 0;
    place = realloc(accounts->place, places * sizeof(struct account *));
    if (place == NULL)
        return -ENOMEM;
    memset(place + accounts->places, 0, (places - accounts->places) * sizeof(struct account *));
    accounts->place = place;
    accounts->places = places;
    return 0;
}

static void list_insert(struct account *account)
{
    struct accounts *accounts = account->accounts;

    account->next = accounts->first;
    if (account->next != NULL)
        account->next->prev = account;
    accounts->first = account;
    ensure(accounts->place[account->handle & HANDLES_MAX] == NULL);
    accounts->place[account->handle & HANDLES_MAX] = account;
}

static void list_remove(struct account *account)
{
    struct accounts *accounts = account->accounts;

    accounts->place[account->handle & HANDLES_MAX] = NULL;
    if (account->next != NULL)
        account->next->prev = account->prev;
    if (account->prev != NULL)
        account->prev->next = account->next;
    else
        accounts->first = account->next;
}

int accounts_new(struct accounts *accounts, const struct physmem_task *task, uint32_t handle,
                 struct account **accountp)
{
    const struct physmem_identity *identity = physmem_task_identity(task);
    struct users *users = &accounts->operations->service->server.users;
    struct user *user = user_take(users, identity->uid);
    struct account *account;

    if (user == NULL)
        return -ENOMEM;
    if (!allotment_may(user->files, 1, accounts->count, accounts->most, SHARE_ACCOUNTS)) {
        user_release(users, user);
        return -EMFILE;
    }
    account = room_for(accounts, handle) == 0 ? calloc(1, sizeof(*account)) : NULL;
    if (account == NULL) {
        user_release(users, user);
        return -ENOMEM;
    }
    user->files++;
    accounts->count++;
    account->user = user;
    account->accounts = accounts;
    account->handle = handle;
    account->staging = -1;
    memcpy(account->name, identity->name, sizeof(account->name));
    list_insert(account);
    *accountp = account;
    return 0;
}

static void account_free(struct account *account)
{
    struct accounts *accounts = account->accounts;

    ensure(account->asks == NULL && accounts->count > 0 && account->user->files > 0);
    accounts->count--;
    account->user->files--;
    user_release(&accounts->operations->service->server.users, account->user);
    if (account->staging >= 0)
        close(account->staging);
    free(account->unneeded);
    free(account);
}

/* ---- What is asked ---- */

int accounts_ask(struct account *account, struct wire_message *message, enum asked what,
                 struct operation *operation, const uint8_t *place, uint32_t count)
{
    struct ask *asked = calloc(1, sizeof(*asked));
    struct ask **end = &account->asks;

    ensure(account->line != NULL && count <= WIRE_BATCH);
    if (asked == NULL)
        return -ENOMEM;
    asked->operation = operation;
    asked->seq = swap_line_next_seq(account->line);
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
    swap_line_send(account->line, message, -1);
    return 0;
}

bool accounts_is_late(const struct account *account)
{
    const struct ask *asked = account->asks;

    while (asked != NULL && (asked->operation == NULL || !asked->operation->given_up))
        asked = asked->next;
    return asked != NULL;
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

/* An ask has failed as a whole. */
static void ask_fail(struct operations *operations, struct ask *ask, int error)
{
    struct operation *operation = ask->operation;

    if (operation != NULL && !operation->load)
        operation->error = (uint32_t)error;
    for (uint32_t i = 0; operation != NULL && operation->load && i < ask->count; i++)
        operation->page[ask->place[i]].error = (uint32_t)error;
    free(ask);
    if (operation != NULL)
        operations_less(operations, operation);
}

/* All that was asked has failed. */
static void asks_fail(struct operations *operations, struct ask *asks, int error)
{
    while (asks != NULL) {
        struct ask *ask = asks;

        asks = ask->next;
        ask_fail(operations, ask, error);
    }
}

/* ---- The connection ---- */

/* The connection of an account is over. What was asked fails, and the core is told that all is gone. */
static void account_lost(struct account *account, int error)
{
    struct accounts *accounts = account->accounts;
    struct service *service = service_of(account);
    uint32_t handle = account->handle;
    struct ask *asks = account->asks;

    if (account->line == NULL)
        return;
    swap_line_close(account->line);
    account->line = NULL;
    account->asks = NULL;
    account->unneeded_count = 0;
    account->refund = 0;
    account->freeing = 0;
    if (!accounts->stopped)
        log_line(&service->server.log, "swap", "what task %s had in swap is lost: %s",
                 account->name, error == EPIPE ? "the swap server has ended" : strerror(error));
    asks_fail(accounts->operations, asks, error);
    physmem_swap_lost(service->physmem, clock_now_ns(), handle);
}

/* Send the name and the user of the account. The user is sent even if it is the one that physmem runs as: a swap server
 * with --keep keeps nothing for a client that names a user. */
static int greet(struct account *account)
{
    const struct hello hello = {.role = WIRE_ROLE_TASK, .name = account->name};
    struct wire_message message;
    int code;

    hello_fill(&message, &hello);
    code = accounts_ask(account, &message, ASKED_HELLO, NULL, NULL, 0);
    if (code != 0)
        return code;
    message = (struct wire_message){.type = WIRE_ACCOUNT};
    message.account.uid = account->user->uid;
    return accounts_ask(account, &message, ASKED_ACCOUNT, NULL, NULL, 0);
}

/* Give the swap server the account's own extent. */
static void give_staging(struct account *account)
{
    struct wire_message message = {.type = WIRE_GIVE_EXTENT, .nfds = 1};

    message.give_extent.extent = ACCOUNTS_STAGING;
    message.give_extent.pages = PHYSMEM_SWAP_MAX;
    swap_line_send(account->line, &message, account->staging);
}

int accounts_connect(struct account *account)
{
    int code;

    if (account->line != NULL)
        return 0;
    if (account->accounts->stopped)
        return -EPIPE;
    if (account->staging < 0)
        account->staging = extent_create("selfpage-to-swap", PHYSMEM_SWAP_MAX, NULL);
    if (account->staging < 0)
        return account->staging;
    code = swap_line_open(&account->accounts->lines, account, &account->line);
    if (code != 0)
        return code;
    code = greet(account);
    if (code != 0)
        account_lost(account, -code);
    return code;
}

/* ---- What nobody needs ---- */

/* Remember a slot. Returns 0 or -ENOMEM. */
static int remember(struct account *account, uint32_t slot)
{
    uint32_t room = account->unneeded_room == 0 ? UNNEEDED_FIRST : 2 * account->unneeded_room;
    uint32_t *unneeded;

    if (account->unneeded_count == account->unneeded_room) {
        unneeded = realloc(account->unneeded, room * sizeof(*unneeded));
        if (unneeded == NULL)
            return -ENOMEM;
        account->unneeded = unneeded;
        account->unneeded_room = room;
    }
    account->unneeded[account->unneeded_count++] = slot;
    return 0;
}

void accounts_return(struct account *account, uint32_t slot, uint32_t refund)
{
    struct accounts *accounts = account->accounts;

    ensure(account->line != NULL);
    account->refund += refund;
    if (slot != PHYSMEM_NO_SLOT && slot != WIRE_SLOT_ZERO && remember(account, slot) != 0) {
        account_lost(account, ENOMEM);
        return;
    }
    if (account->dirty)
        return;
    account->dirty = true;
    account->next_dirty = accounts->dirty;
    accounts->dirty = account;
}

/* Send one request of those that give something back. False: there is no memory for it. */
static bool send_back(struct account *account, struct wire_message *message)
{
    if (accounts_ask(account, message, ASKED_FREE, NULL, NULL, 0) != 0)
        return false;
    account->freeing++;
    return true;
}

void accounts_give_back(struct account *account)
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

void accounts_flush(struct accounts *accounts)
{
    struct account *account;

    while ((account = accounts->dirty) != NULL) {
        accounts->dirty = account->next_dirty;
        account->dirty = false;
        accounts_give_back(account);
    }
}

/* ---- Answers ---- */

uint32_t accounts_error(const struct wire_message *message, enum wire_type expected)
{
    if (message->error != 0)
        return message->error;
    return message->type == expected ? 0 : EPROTO;
}

/* The answer to what the account has asked for itself. Returns 0, or an errno value: the connection is of no use. */
static int on_own_answer(struct account *account, enum asked what,
                         const struct wire_message *message)
{
    int error = 0;

    switch (what) {
    case ASKED_HELLO:
        error = -hello_check(message, "swap", NULL);
        if (error == 0) /* descriptors may be sent from now on */
            give_staging(account);
        break;
    case ASKED_ACCOUNT:
        error = (int)accounts_error(message, WIRE_DONE);
        break;
    case ASKED_FREE:
        ensure(account->freeing > 0);
        account->freeing--;
        accounts_give_back(account);
        break;
    case ASKED_RESERVE:
    case ASKED_STORE:
    case ASKED_LOAD:
        ensure(false); /* an operation asks these */
        break;
    }
    return error;
}

static int on_message(void *owner, const struct wire_message *message)
{
    struct account *account = owner;
    struct accounts *accounts = account->accounts;
    struct operations *operations = accounts->operations;
    struct ask *asked = message->seq == 0 ? NULL : take_ask(account, message->seq);
    int error = 0;

    if (asked != NULL && asked->operation != NULL) {
        accounts->on_answer(account, asked, message);
        operations_less(operations, asked->operation);
    } else if (asked != NULL)
        error = on_own_answer(account, asked->what, message);
    free(asked);
    if (error == 0)
        operations->run(operations->service);
    return error;
}

static void on_lost(void *owner, int error)
{
    struct account *account = owner;
    struct operations *operations = account->accounts->operations;

    account_lost(account, error);
    operations->run(operations->service);
}

/* ---- The end ---- */

void accounts_end(struct account *account)
{
    struct accounts *accounts = account->accounts;
    struct account **dirty = &accounts->dirty;
    struct ask *asks = account->asks;

    list_remove(account);
    while (*dirty != NULL && *dirty != account)
        dirty = &(*dirty)->next_dirty;
    if (*dirty != NULL)
        *dirty = account->next_dirty;
    if (account->line != NULL)
        swap_line_close(account->line);
    account->asks = NULL;
    asks_fail(accounts->operations, asks, EPIPE); /* of a task that has gone while it loaded */
    account_free(account);
}

void accounts_stop(struct accounts *accounts)
{
    accounts->stopped = true;
    for (struct account *account = accounts->first; account != NULL; account = account->next)
        account_lost(account, EPIPE);
}

void accounts_fini(struct accounts *accounts)
{
    struct account *account;

    while ((account = accounts->first) != NULL) {
        accounts->first = account->next;
        account_free(account);
    }
    free(accounts->place);
    accounts->place = NULL;
}

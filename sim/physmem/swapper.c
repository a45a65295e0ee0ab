#include "swapper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "accounts.h"
#include "backing.h"
#include "base/assert.h"
#include "giving.h"
#include "operations.h"
#include "reading.h"
#include "os/clock.h"

struct swapper {
    struct operations operations;
    struct accounts accounts;
};

static void on_answer(struct account *account, const struct ask *asked,
                      const struct wire_message *message);

int swapper_open(struct service *service, uv_loop_t *loop, const struct swapper_options *options,
                 void (*run)(struct service *service))
{
    struct swapper *swapper = calloc(1, sizeof(*swapper));

    if (swapper == NULL)
        return -ENOMEM;
    operations_init(&swapper->operations, service, loop, options->patience_ns, run);
    accounts_init(&swapper->accounts, &swapper->operations, options->path, options->accounts,
                  on_answer);
    service->swapper = swapper;
    return 0;
}

/* ---- Answers ---- */

/* Send the pages of an operation, for which all slots are reserved. */
static int send_store(struct account *account, struct operation *operation)
{
    struct wire_message message = {.type = WIRE_STORE};
    uint8_t place[WIRE_BATCH];

    message.store.pages_count = (uint16_t)operation->count;
    for (uint32_t i = 0; i < operation->count; i++) {
        message.store.pages[i] = (struct wire_place){ACCOUNTS_STAGING, i};
        place[i] = (uint8_t)i;
    }
    return accounts_ask(account, &message, ASKED_STORE, operation, place, operation->count);
}

static void on_reserved(struct account *account, const struct ask *asked,
                        const struct wire_message *message)
{
    struct operation *operation = asked->operation;

    operation->error = accounts_error(message, WIRE_RESERVED);
    if (operation->error == 0 && operation->count > 0 && send_store(account, operation) != 0)
        operation->error = ENOMEM;
}

static void on_stored(const struct ask *asked, const struct wire_message *message)
{
    struct operation *operation = asked->operation;
    uint32_t error = accounts_error(message, WIRE_STORED);

    if (error == 0 && message->stored.slots_count != asked->count)
        error = EPROTO;
    for (uint32_t i = 0; i < asked->count; i++) {
        struct physmem_swapped *page = &operation->page[asked->place[i]];

        page->error = error != 0 ? error : message->stored.slots[i].error;
        page->slot = error != 0 ? 0 : message->stored.slots[i].slot;
    }
}

static void on_loaded(const struct ask *asked, const struct wire_message *message)
{
    uint32_t error = accounts_error(message, WIRE_LOADED);

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
    if (asked->what == ASKED_RESERVE && accounts_error(message, WIRE_RESERVED) == 0)
        accounts_return(account, PHYSMEM_NO_SLOT, operation->reserve);
    if (asked->what != ASKED_STORE)
        return;
    accounts_return(account, PHYSMEM_NO_SLOT, operation->reserve);
    if (accounts_error(message, WIRE_STORED) != 0)
        return;
    for (uint32_t i = 0; i < message->stored.slots_count && account->line != NULL; i++)
        if (message->stored.slots[i].error == 0)
            accounts_return(account, message->stored.slots[i].slot, 0);
}

static void on_answer(struct account *account, const struct ask *asked,
                      const struct wire_message *message)
{
    if (asked->operation->given_up) {
        on_late(account, asked, message);
        return;
    }
    switch ((enum asked)asked->what) {
    case ASKED_RESERVE:
        on_reserved(account, asked, message);
        break;
    case ASKED_STORE:
        on_stored(asked, message);
        break;
    case ASKED_LOAD:
        on_loaded(asked, message);
        break;
    case ASKED_HELLO:
    case ASKED_ACCOUNT:
    case ASKED_FREE:
        ensure(false); /* no operation asks these */
        break;
    }
}

/* ---- Effects ---- */

/* Copy the pages of an effect to the account's own extent. Returns 0 or a negative errno. */
static int stage(struct service *service, const struct account *account,
                 const struct physmem_map_item *items, uint32_t count)
{
    uint8_t *bytes = service->moving;

    for (uint32_t i = 0; i < count; i++) {
        int code = 0;

        memset(bytes, 0, SP_PAGE_SIZE);
        if (items[i].rights != 0)
            code =
                reading_pages(backing_at(service, items[i].descriptor), items[i].offset, 1, bytes);
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
    struct account *account = accounts_find(&service->swapper->accounts, effect->store.account);
    struct operation *operation = calloc(1, sizeof(*operation));
    struct wire_message message = {.type = WIRE_RESERVE};
    struct physmem_swapped pages[PHYSMEM_SWAP_MAX];
    int code = operation == NULL ? -ENOMEM : 0;

    for (uint32_t i = 0; i < effect->store.count; i++)
        pages[i] = (struct physmem_swapped){.page = items[i].slot};
    if (code == 0 && account == NULL)
        code = accounts_new(&service->swapper->accounts, effect->task, effect->store.account,
                            &account);
    if (code == 0)
        code = accounts_is_late(account) ? -ETIMEDOUT : accounts_connect(account);
    if (code == 0) /* what is asked for anew may be what was just given back */
        accounts_give_back(account);
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
        code = accounts_ask(account, &message, ASKED_RESERVE, operation, NULL, 0);
    }
    if (code == 0) {
        operations_begin(&service->swapper->operations, operation);
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
    swap_line_send(account->line, &message, giving_lend(service, effect->load.descriptor));
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
    if (accounts_ask(account, &message, ASKED_LOAD, operation, place, count) != 0)
        for (uint32_t i = 0; i < count; i++)
            operation->page[place[i]].error = ENOMEM;
    message = (struct wire_message){.type = WIRE_FORGET_EXTENT};
    message.forget_extent.extent = effect->load.extent;
    swap_line_send(account->line, &message, -1);
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
    operations_begin(&service->swapper->operations, operation);
    for (uint32_t i = 0; i < operation->count; i++) {
        struct account *account = accounts_find(&service->swapper->accounts, items[i].descriptor);
        bool asked = false;

        for (uint32_t before = 0; before < i; before++)
            asked |= items[before].descriptor == items[i].descriptor;
        if (account != NULL && accounts_is_late(account))
            operation->page[i].error = ETIMEDOUT;
        else if (account != NULL && account->line != NULL && !asked)
            load_from(service, account, operation, effect);
    }
    operations_less(&service->swapper->operations, operation);
}

void swapper_return(struct service *service, const struct physmem_effect *effect)
{
    struct account *account = accounts_find(&service->swapper->accounts, effect->unneeded.account);

    if (account != NULL && account->line != NULL)
        accounts_return(account, effect->unneeded.slot, effect->unneeded.refund);
}

void swapper_flush(struct service *service)
{
    if (service->swapper != NULL)
        accounts_flush(&service->swapper->accounts);
}

void swapper_end(struct service *service, const struct physmem_effect *effect)
{
    struct account *account = accounts_find(&service->swapper->accounts, effect->unneeded.account);

    if (account != NULL)
        accounts_end(account);
}

void swapper_stop(struct service *service)
{
    if (service->swapper == NULL)
        return;
    operations_stop(&service->swapper->operations);
    accounts_stop(&service->swapper->accounts);
}

void swapper_close(struct service *service)
{
    if (service->swapper == NULL)
        return;
    accounts_fini(&service->swapper->accounts);
    free(service->swapper);
    service->swapper = NULL;
}

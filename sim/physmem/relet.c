#include "relet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backing.h"
#include "base/deadlines.h"
#include "base/error.h"
#include "core/physmem/upstream.h"
#include "os/clock.h"
#include "giving.h"
#include "passed.h"
#include "run.h"

/* Frames asked for in one message while starting. */
#define START_PIECE 65536u

/* ---- Contracts ---- */

/* Tell the core what is promised. */
static void tell(struct relet *relet)
{
    physmem_upstream_promised(relet->service->physmem, clock_now_ns(), relet->tenancy.promised,
                              relet->tenancy.until);
}

static void tell_if_changed(struct relet *relet)
{
    if (tenancy_promise(&relet->tenancy))
        tell(relet);
}

static struct sp_offer offer_of(const struct wire_message *message)
{
    struct sp_offer offer = {.answer = message->offer.answer, .contract = message->offer.contract};

    WIRE_COPY_TERMS(&offer.terms, &message->offer);
    return offer;
}

/* Conclude one contract. */
static int conclude(struct relet *relet, const struct wanted_contract *wanted,
                    struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_PROPOSE};
    uint64_t since = clock_now_ns();
    struct sp_offer offer;
    int code;

    if (wanted->token != 0) {
        message.type = WIRE_CLAIM;
        message.claim.token = wanted->token;
    } else {
        WIRE_COPY_TERMS(&message.propose, &wanted->terms);
    }
    code = upstream_ask_now(&relet->upstream, &message, WIRE_OFFER, error);
    if (code == 0 && message.offer.answer == SP_COUNTERED &&
        message.offer.frames >= wanted->terms.min) {
        uint32_t number = message.offer.contract;

        message = (struct wire_message){.type = WIRE_ACCEPT, .accept.contract = number};
        since = clock_now_ns();
        code = upstream_ask_now(&relet->upstream, &message, WIRE_OFFER, error);
    }
    if (code != 0)
        return code;
    if (message.offer.answer != SP_ACCEPTED)
        return error_set(
            error, ENOMEM, "--contract: the physmem above %s a contract for %u %s frames: %s",
            message.offer.answer == SP_COUNTERED ? "countered" : "refused", wanted->terms.frames,
            terms_text_kind(wanted->terms.kind), print_reason_text(message.offer.reason));
    offer = offer_of(&message);
    tenancy_concluded(&relet->tenancy, wanted, &offer, message.offer.state, message.offer.change,
                      since);
    return 0;
}

static int contracts_conclude(struct relet *relet, const char *text, struct sp_error *error)
{
    struct wanted_contract wanted[TERMS_MAX];
    int count = terms_text_parse(text, wanted, error);
    int code = 0;

    for (int i = 0; i < count && code == 0; i++) {
        const char *wrong = tenancy_prepare(&wanted[i]);

        code = wrong != NULL ? error_set(error, EINVAL, "--contract: %s", wrong)
                             : conclude(relet, &wanted[i], error);
    }
    return count < 0 ? count : code;
}

/* ---- Starting ---- */

/* Make the stock, and take hold of what is promised. */
static int stock_fill(struct relet *relet, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_CONTAINER_CREATE};
    uint32_t container, have = 0;
    int code;

    message.container_create.slots = lease_book_slots(relet->tenancy.frames);
    code = upstream_ask_now(&relet->upstream, &message, WIRE_CONTAINER, error);
    container = message.container.container;
    while (code == 0 && have < relet->tenancy.promised) {
        uint32_t left = relet->tenancy.promised - have;
        uint32_t count = left < START_PIECE ? left : START_PIECE;

        message = (struct wire_message){.type = WIRE_ALLOCATE};
        message.allocate.container = container;
        message.allocate.start = have;
        message.allocate.count = count;
        code = upstream_ask_now(&relet->upstream, &message, WIRE_ALLOCATED, error);
        have += count;
    }
    if (code != 0)
        return code;
    code = lease_init(&relet->leases, &relet->upstream, relet->tenancy.frames, container, have);
    return code == 0 ? 0 : error_set(error, -code, "there is no memory for leases");
}

int relet_open(struct service *service, const struct physmem_options *options,
               struct physmem_config *config, struct sp_error *error)
{
    struct relet *relet = calloc(1, sizeof(*relet));
    int code;

    if (relet == NULL)
        return error_set(error, ENOMEM, "there is no memory to begin with");
    service->relet = relet;
    relet->service = service;
    relet->upstream.request.link.fd = -1;
    relet->upstream.control.link.fd = -1;
    code = upstream_open(&relet->upstream, options->upstream, options->name, error);
    if (code == 0 && relet->upstream.page_size != service->page_size)
        code = error_set(error, ENOTSUP, "the physmem above has pages of another size");
    if (code == 0)
        code = contracts_conclude(relet, options->contract, error);
    if (code != 0)
        return code;
    (void)tenancy_promise(&relet->tenancy);
    if (options->reserve >= relet->tenancy.promised && options->reserve > 0)
        return error_set(error, EINVAL,
                         "--reserve %u leaves none of the %u frames that --contract promises",
                         options->reserve, relet->tenancy.promised);
    relet->grace_ns = physmem_upstream_grace(tenancy_grace(&relet->tenancy, PHYSMEM_MAX_GRACE_NS));
    config->stacked = true;
    config->frames = relet->tenancy.frames;
    if (config->max_grace_ns == 0 || config->max_grace_ns > relet->grace_ns)
        config->max_grace_ns = relet->grace_ns;
    if (config->silence_ns == 0 || config->silence_ns > relet->grace_ns)
        config->silence_ns = relet->grace_ns;
    return stock_fill(relet, error);
}

/* ---- What the physmem above says ---- */

static void end_all(struct relet *relet, const char *what, const char *why)
{
    struct service *service = relet->service;

    log_line(&service->server.log, "upstream",
             "the physmem above (%s) %s: %s. Everything that was lent on is taken back, and this "
             "server ends",
             service->options->upstream, what, why);
    physmem_upstream_gone(service->physmem, clock_now_ns());
    run_effects(service);
    service->failed = true;
    server_stop(&service->server);
}

static void on_end(void *context, const char *why)
{
    end_all(context, "is lost", why);
}

/* A renewal under way. */
struct renewal {
    struct upstream_ask ask; /* first */
    struct relet *relet;
    uint32_t contract;
};

static void on_renewed(struct upstream_ask *ask, const struct wire_message *reply)
{
    struct renewal *renewal = (struct renewal *)ask;
    struct relet *relet = renewal->relet;

    if (reply != NULL && reply->type == WIRE_OFFER && reply->error == 0) {
        struct sp_offer offer = offer_of(reply);

        tenancy_renewed(&relet->tenancy, &offer, reply->offer.state, reply->offer.change);
        tell_if_changed(relet);
    }
    if (reply != NULL && (reply->type != WIRE_OFFER || reply->offer.answer != SP_ACCEPTED))
        log_line(&relet->service->server.log, "upstream",
                 "the physmem above does not renew contract %u; no contract here can last longer",
                 renewal->contract);
    free(renewal);
}

static void renew(struct relet *relet, uint32_t contract)
{
    uint64_t term_ns = tenancy_renew(&relet->tenancy, contract, clock_now_ns());
    struct renewal *renewal = term_ns > 0 ? calloc(1, sizeof(*renewal)) : NULL;
    struct wire_message message = {.type = WIRE_RENEW};

    if (renewal == NULL)
        return;
    *renewal = (struct renewal){{.answered = on_renewed}, relet, contract};
    message.renew.contract = contract;
    message.renew.term_ns = term_ns;
    upstream_ask(&relet->upstream, &message, &renewal->ask);
}

static void on_notice(struct relet *relet, const struct wire_message *message)
{
    if (message->notice.what == WIRE_NOTICE_AVAILABLE) {
        physmem_upstream_available(relet->service->physmem, clock_now_ns());
    } else if (message->notice.what == WIRE_NOTICE_EXPIRING) {
        renew(relet, message->notice.contract);
    } else {
        tenancy_expired(&relet->tenancy, message->notice.contract, message->notice.change);
        tell_if_changed(relet);
    }
}

static void on_changed(struct relet *relet, const struct wire_message *message)
{
    tenancy_changed(&relet->tenancy, message->changed.contract, message->changed.state,
                    message->changed.frames, message->changed.change);
    tell_if_changed(relet);
}

static void on_recall(struct relet *relet, const struct wire_message *message)
{
    uint64_t grace_ns = message->recall.grace_unit == SP_GRACE_TIME ? message->recall.grace : 0;

    physmem_upstream_recalled(relet->service->physmem, clock_now_ns(), message->recall.frames,
                              grace_ns);
}

static void on_repossessed(struct relet *relet, const struct wire_message *message)
{
    const void *owner = lease_repossessed(&relet->leases, message);

    log_line(&relet->service->server.log, "upstream",
             "the physmem above has taken %u frames back by force", message->repossessed.frames);
    if (owner != NULL)
        physmem_upstream_lost(relet->service->physmem, clock_now_ns(), backing_extent(owner));
}

static void on_message(void *context, const struct wire_message *message, int consume_fd)
{
    struct relet *relet = context;

    if (message->type == WIRE_EXTENT)
        lease_extent_came(&relet->leases, message->extent.extent, consume_fd);
    else if (consume_fd >= 0)
        close(consume_fd);
    if (message->type == WIRE_RECALL)
        on_recall(relet, message);
    else if (message->type == WIRE_NOTICE)
        on_notice(relet, message);
    else if (message->type == WIRE_CHANGED)
        on_changed(relet, message);
    else if (message->type == WIRE_REPOSSESSED)
        on_repossessed(relet, message);
    else if (message->type == WIRE_UNMAP)
        passed_down(relet, message);
    else if (message->type == WIRE_REVOKED)
        end_all(relet, "has revoked everything", message->revoked.text);
    run_effects(relet->service);
}

static void on_pause(void *context)
{
    struct relet *relet = context;

    run_effects(relet->service);
}

static void on_granted(void *context, uint32_t frames)
{
    struct relet *relet = context;

    physmem_upstream_granted(relet->service->physmem, clock_now_ns(), frames);
}

static void on_taken(void *context, uint32_t frames)
{
    struct relet *relet = context;

    physmem_upstream_taken(relet->service->physmem, clock_now_ns(), frames);
}

static void on_failed(void *context, const char *what)
{
    end_all(context, "cannot be worked with", what);
}

uint32_t relet_extents_most(const struct relet *relet, uint32_t most)
{
    uint32_t above = physmem_task_extents_most(relet->tenancy.frames);

    if (above > LESSEE_LEASES)
        above = LESSEE_LEASES;
    return most < above ? most : above;
}

int relet_start(struct service *service, uv_loop_t *loop, struct sp_error *error)
{
    static const struct upstream_handlers handlers = {on_message, on_pause, on_end};
    static const struct lease_handlers leases = {.on_ready = giving_ready,
                                                 .on_refused = giving_refused,
                                                 .on_granted = on_granted,
                                                 .on_taken = on_taken,
                                                 .on_failed = on_failed};
    struct relet *relet = service->relet;
    struct physmem_effect effect;
    int code = upstream_watch(&relet->upstream, loop, &handlers, relet);

    if (code < 0)
        return error_set(error, -code, "cannot watch the physmem above: %s", uv_strerror(code));
    lease_start(&relet->leases, &leases, relet);
    tell(relet);
    while (physmem_next_effect(service->physmem, &effect))
        if (effect.kind == PHYSMEM_UPSTREAM_ASK) /* they are held already */
            physmem_upstream_granted(service->physmem, clock_now_ns(), effect.upstream.frames);
    return 0;
}

void relet_stop(struct service *service)
{
    if (service->relet != NULL)
        upstream_stop(&service->relet->upstream);
}

void relet_end(struct service *service)
{
    struct relet *relet = service->relet;

    if (relet == NULL)
        return;
    upstream_close(&relet->upstream);
    passed_forget(relet);
    lease_fini(&relet->leases);
    free(relet);
    service->relet = NULL;
}

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

/* What is promised, and until when. */
static void sum_up(const struct relet *relet, uint32_t *framesp, uint64_t *endsp)
{
    *framesp = 0;
    *endsp = DEADLINE_NEVER;
    for (unsigned i = 0; i < relet->contracts; i++) {
        const struct relet_contract *contract = &relet->contract[i];

        if (!contract->active || contract->terms.kind == SP_EXTRA)
            continue;
        *framesp += contract->terms.frames;
        if (contract->ends < *endsp)
            *endsp = contract->ends;
    }
}

/* Tell the core if something has changed. */
static void tell_promised(struct relet *relet)
{
    uint32_t frames;
    uint64_t ends;

    sum_up(relet, &frames, &ends);
    if (frames > relet->frames)
        frames = relet->frames;
    if (frames == relet->promised && ends == relet->ends)
        return;
    relet->promised = frames;
    relet->ends = ends;
    physmem_upstream_promised(relet->service->physmem, clock_now_ns(), frames, ends);
}

/* When a term that was asked for at `since` ends. */
static uint64_t end_of(uint64_t since, const struct sp_terms *terms)
{
    return terms->term_ns >= DEADLINE_NEVER - since ? DEADLINE_NEVER : since + terms->term_ns;
}

static void agree(struct relet_contract *contract, const struct wire_message *offer, uint64_t since)
{
    WIRE_COPY_TERMS(&contract->terms, &offer->offer);
    contract->number = offer->offer.contract;
    contract->active = offer->offer.state == SP_CONTRACT_ACTIVE;
    contract->ends = end_of(since, &contract->terms);
}

/* Conclude one contract. */
static int conclude(struct relet *relet, struct relet_contract *contract, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_PROPOSE};
    uint64_t since = clock_now_ns();
    int code;

    if (contract->wanted.token != 0) {
        message.type = WIRE_CLAIM;
        message.claim.token = contract->wanted.token;
    } else {
        WIRE_COPY_TERMS(&message.propose, &contract->wanted.terms);
    }
    code = upstream_ask_now(&relet->upstream, &message, WIRE_OFFER, error);
    if (code == 0 && message.offer.answer == SP_COUNTERED &&
        message.offer.frames >= contract->wanted.terms.min) {
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
            message.offer.answer == SP_COUNTERED ? "countered" : "refused",
            contract->wanted.terms.frames, terms_text_kind(contract->wanted.terms.kind),
            print_reason_text(message.offer.reason));
    agree(contract, &message, since);
    return 0;
}

/* Grace that is counted in allocations cannot be divided between levels. */
static int check_terms(const struct relet_contract *contract, struct sp_error *error)
{
    if (contract->wanted.terms.grace_unit == SP_GRACE_ALLOCATIONS)
        return error_set(error, EINVAL,
                         "--contract: grace must be a time, as drop=2s, since tasks get a part "
                         "of it");
    if (contract->wanted.terms.order > 0)
        return error_set(error, EINVAL, "--contract: order must be 0: frames are lent one by one");
    return 0;
}

/* Contracts that do not say what a breach costs say that frames are repossessed: what a task does
 * with its memory is not to cost all others theirs. */
static void set_breach(struct relet_contract *contract, const char *text)
{
    if (contract->wanted.token == 0 && strstr(text, "breach=") == NULL)
        contract->wanted.terms.on_breach = SP_BREACH_REPOSSESS;
}

/* Grace that every recall from above gives at least. */
static uint64_t least_grace(const struct relet *relet)
{
    uint64_t least = PHYSMEM_MAX_GRACE_NS;

    for (unsigned i = 0; i < relet->contracts; i++) {
        const struct sp_terms *terms = &relet->contract[i].terms;
        uint64_t grace = terms->kind == SP_GUARANTEED ? terms->t_clean : terms->t_drop;

        if (grace < least)
            least = grace;
    }
    return least;
}

static int contracts_conclude(struct relet *relet, const char *text, struct sp_error *error)
{
    struct wanted_contract wanted[TERMS_MAX];
    int count = terms_text_parse(text, wanted, error);
    int code = 0;

    for (int i = 0; i < count && code == 0; i++) {
        struct relet_contract *contract = &relet->contract[i];

        contract->wanted = wanted[i];
        set_breach(contract, text);
        code = check_terms(contract, error);
        if (code == 0)
            code = conclude(relet, contract, error);
        if (code != 0)
            return code;
        relet->contracts++;
        relet->frames += contract->terms.frames;
    }
    return count < 0 ? count : 0;
}

/* ---- Starting ---- */

/* Make the stock, and take hold of what is promised. */
static int stock_fill(struct relet *relet, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_CONTAINER_CREATE};
    uint32_t container, have = 0;
    int code;

    message.container_create.slots = lease_book_slots(relet->frames);
    code = upstream_ask_now(&relet->upstream, &message, WIRE_CONTAINER, error);
    container = message.container.container;
    while (code == 0 && have < relet->promised) {
        uint32_t count =
            relet->promised - have < START_PIECE ? relet->promised - have : START_PIECE;

        message = (struct wire_message){.type = WIRE_ALLOCATE};
        message.allocate.container = container;
        message.allocate.start = have;
        message.allocate.count = count;
        code = upstream_ask_now(&relet->upstream, &message, WIRE_ALLOCATED, error);
        have += count;
    }
    if (code != 0)
        return code;
    code = lease_init(&relet->lessee, &relet->upstream, relet->frames, container, have);
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
    sum_up(relet, &relet->promised, &relet->ends);
    if (options->reserve >= relet->promised && options->reserve > 0)
        return error_set(error, EINVAL,
                         "--reserve %u leaves none of the %u frames that --contract promises",
                         options->reserve, relet->promised);
    relet->grace_ns = physmem_upstream_grace(least_grace(relet));
    config->stacked = true;
    config->frames = relet->frames;
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

static struct relet_contract *contract_find(struct relet *relet, uint32_t number)
{
    for (unsigned i = 0; i < relet->contracts; i++)
        if (relet->contract[i].number == number)
            return &relet->contract[i];
    return NULL;
}

/* A renewal under way. */
struct renewal {
    struct upstream_ask ask; /* first */
    struct relet *relet;
    struct relet_contract *contract;
    uint64_t since;
};

static void on_renewed(struct upstream_ask *ask, const struct wire_message *reply)
{
    struct renewal *renewal = (struct renewal *)ask;
    struct relet *relet = renewal->relet;

    if (reply != NULL && reply->type == WIRE_OFFER && reply->offer.answer == SP_ACCEPTED) {
        agree(renewal->contract, reply, renewal->since);
        tell_promised(relet);
    } else if (reply != NULL) {
        log_line(&relet->service->server.log, "upstream",
                 "the physmem above does not renew contract %u; no contract here can last longer",
                 renewal->contract->number);
    }
    free(renewal);
}

static void renew(struct relet *relet, struct relet_contract *contract)
{
    struct wire_message message = {.type = WIRE_RENEW};
    struct renewal *renewal = calloc(1, sizeof(*renewal));

    if (renewal == NULL || contract->wanted.token != 0) {
        free(renewal);
        return;
    }
    *renewal = (struct renewal){{.answered = on_renewed}, relet, contract, clock_now_ns()};
    message.renew.contract = contract->number;
    message.renew.term_ns = contract->wanted.terms.term_ns;
    upstream_ask(&relet->upstream, &message, &renewal->ask);
}

static void on_notice(struct relet *relet, const struct wire_message *message)
{
    struct relet_contract *contract = contract_find(relet, message->notice.contract);

    if (message->notice.what == WIRE_NOTICE_AVAILABLE) {
        physmem_upstream_available(relet->service->physmem, clock_now_ns());
    } else if (contract != NULL && message->notice.what == WIRE_NOTICE_EXPIRING) {
        renew(relet, contract);
    } else if (contract != NULL) {
        contract->active = false;
        tell_promised(relet);
    }
}

static void on_changed(struct relet *relet, const struct wire_message *message)
{
    struct relet_contract *contract = contract_find(relet, message->changed.contract);

    if (contract == NULL)
        return;
    contract->active = message->changed.state == SP_CONTRACT_ACTIVE;
    contract->terms.frames = message->changed.frames;
    tell_promised(relet);
}

static void on_recall(struct relet *relet, const struct wire_message *message)
{
    uint64_t grace_ns = message->recall.grace_unit == SP_GRACE_TIME ? message->recall.grace : 0;

    physmem_upstream_recalled(relet->service->physmem, clock_now_ns(), message->recall.frames,
                              grace_ns);
}

static void on_repossessed(struct relet *relet, const struct wire_message *message)
{
    const void *owner = lease_repossessed(&relet->lessee, message);

    log_line(&relet->service->server.log, "upstream",
             "the physmem above has taken %u frames back by force", message->repossessed.frames);
    if (owner != NULL)
        physmem_upstream_lost(relet->service->physmem, clock_now_ns(), backing_extent(owner));
}

static void on_message(void *context, const struct wire_message *message, int consume_fd)
{
    struct relet *relet = context;

    if (message->type == WIRE_EXTENT)
        lease_extent_came(&relet->lessee, message->extent.extent, consume_fd);
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
    uint32_t above = physmem_task_extents_most(relet->frames);

    if (above > LEASE_MOST)
        above = LEASE_MOST;
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
    lease_start(&relet->lessee, &leases, relet);
    physmem_upstream_promised(service->physmem, clock_now_ns(), relet->promised, relet->ends);
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
    lease_fini(&relet->lessee);
    free(relet);
    service->relet = NULL;
}

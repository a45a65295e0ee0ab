/* Parts: frames that one contract hands to another, and how they are taken back. */
#include "core/physmem/bounds.h"
#include "core/physmem/emit.h"
#include "core/physmem/input.h"
#include "core/physmem/life.h"
#include "core/physmem/offers.h"
#include "core/physmem/promises.h"
#include "core/physmem/settle.h"

/* ---- Splitting ---- */

/* Why a contract cannot be split this way; 0 if it can. */
static int split_error(const struct physmem *physmem, const struct contract *contract,
                       uint32_t frames, uint64_t token, const char **textp)
{
    const struct physmem_task *task = contract->task;

    check(contract->state == SP_CONTRACT_ACTIVE);
    if (frames == 0 || frames >= contract->terms.frames ||
        frames % (UINT32_C(1) << contract->terms.order) != 0) {
        *textp = "a part has whole blocks, at least one, and leaves the contract at least one";
        return EINVAL;
    }
    if (contract->depth == PART_DEPTH_MAX) {
        *textp = "parts of parts go eight deep, and this contract is the eighth";
        return EMLINK;
    }
    if (task->parts == PARTS_PER_TASK) {
        *textp = "a task may have 32 parts that have not come back: reabsorb one";
        return EMFILE;
    }
    if (token == 0 || part_table_find(&physmem->parts, token) != NULL) {
        *textp = "the token is in use: ask again";
        return EAGAIN;
    }
    return 0;
}

/* A part in the table of tokens, which is not linked to its contract yet; NULL without memory. */
static struct part *part_new(struct physmem *physmem, uint32_t frames, uint64_t token)
{
    struct part *part = memory_new(physmem->allocator, sizeof(*part));

    check(frames > 0 && token != 0);
    if (part == NULL)
        return NULL;
    part->token = token;
    part->frames = frames;
    if (part_table_add(&physmem->parts, part) == 0)
        return part;
    memory_free(physmem->allocator, part, sizeof(*part));
    return NULL;
}

/* The contract to be split, and the new part; NULL, and the request is answered, if it cannot be. */
static struct contract *split_decode(struct physmem *physmem, uint64_t now,
                                     const struct physmem_request *request, uint32_t number,
                                     uint32_t frames, uint64_t token, struct part **partp)
{
    struct contract *contract = offers_decode(physmem, now, request, number, CONTRACT_SPLIT);
    const char *text = "physmem has no memory for a part";
    int error;

    if (contract == NULL)
        return NULL;
    error = split_error(physmem, contract, frames, token, &text);
    if (error == 0) {
        *partp = part_new(physmem, frames, token);
        error = *partp == NULL ? ENOMEM : 0;
    }
    if (error == 0)
        return contract;
    emit_done(physmem, request, error, 0, text);
    return NULL;
}

/* Promise the part's frames to the task that will claim it, and no longer to this one. */
static void split(struct physmem *physmem, struct contract *contract, struct part *part)
{
    struct physmem_task *task = contract->task;

    check(part->from == NULL && part->to == NULL);
    part->from = contract;
    part->number = ++task->contract_number;
    part->next = contract->parts;
    contract->parts = part;
    task->parts++;
    promises_task_less(physmem, task, contract->terms.kind, part->frames);
    physmem->unclaimed[contract->terms.kind] += part->frames;
    life_shrink(physmem, contract, part->frames);
}

void physmem_part_split(struct physmem *physmem, uint64_t now,
                        const struct physmem_request *request, uint32_t number, uint32_t frames,
                        uint64_t token)
{
    struct physmem_effect *effect;
    struct contract *contract;
    struct part *part;

    contract = split_decode(physmem, now, request, number, frames, token, &part);
    if (contract == NULL)
        return;
    split(physmem, contract, part);
    effect = emit_reply(physmem, PHYSMEM_REPLY_PART, request, 0, NULL);
    effect->part.part =
        (struct sp_part){token, part->number, contract->number, frames, contract->terms.frames};
    effect->part.change = contract->changes;
    settle_input(physmem);
}

/* ---- Claiming ---- */

/* Whether the task holds the contract that a part was split off from, or one above that. */
static bool holds_above(const struct physmem_task *task, const struct part *part)
{
    check(part->from->depth < PART_DEPTH_MAX);
    while (part != NULL && part->from->task != task)
        part = part->from->part;
    return part != NULL;
}

/* Why a part (NULL: unknown) cannot be claimed; 0 if it can. */
static int claim_error(const struct physmem_task *task, const struct part *part, const char **textp)
{
    if (!task->control) {
        *textp = "contracts need a control connection: open it first";
        return ENOTCONN;
    }
    if (part == NULL) {
        *textp = "no part has this token: it was reabsorbed, or the contract above it has ended";
        return ENOENT;
    }
    if (part->to != NULL) {
        *textp = "the part has been claimed";
        return EALREADY;
    }
    if (holds_above(task, part)) {
        *textp = "a part is for another task than those above it: reabsorb it instead";
        return EINVAL;
    }
    return 0;
}

/* The terms of a part, for the task that claims it. */
static struct sp_terms part_terms(const struct physmem *physmem, const struct part *part)
{
    const struct contract *from = part->from;
    struct sp_terms terms = from->terms;

    ensure(from->state == SP_CONTRACT_ACTIVE);
    terms.frames = part->frames;
    terms.min = part->frames;
    if (from->ends != DEADLINE_NEVER)
        terms.term_ns = from->ends > physmem->now ? from->ends - physmem->now : 1;
    return terms;
}

/* Why the task has no room for a part; SP_REASON_NONE: it has. */
static enum sp_reason lacks_room(struct physmem_task *task, const struct part *part)
{
    if (offers_room(task) == 0)
        return SP_REASON_TOO_MANY;
    check(task->contracts <= CONTRACTS_PER_TASK);
    return bounds_allow_part(task, part) ? SP_REASON_NONE : SP_REASON_NOT_ENTITLED;
}

/* Refuse a part for want of room. */
static void refuse_room(struct physmem *physmem, const struct physmem_request *request,
                        const struct part *part, enum sp_reason reason)
{
    struct sp_offer offer = {.answer = SP_REFUSED, .reason = (uint8_t)reason};

    check(part->to == NULL);
    offer.terms = part->from->terms;
    offer.terms.frames = part->frames;
    offer.terms.min = part->frames;
    offers_reply(physmem, request, &offer, NULL);
}

/* The part to be claimed, and memory for its contract; NULL, and the request is answered, if it cannot
 * be. Changes nothing. */
static struct part *claim_decode(struct physmem *physmem, uint64_t now,
                                 const struct physmem_request *request, uint64_t token,
                                 struct contract **contractp)
{
    struct physmem_task *task = request->task;
    const char *text = NULL;
    enum sp_reason reason;
    struct part *part;
    int error;

    if (!input_begin(physmem, now, request))
        return NULL;
    part = part_table_find(&physmem->parts, token);
    error = claim_error(task, part, &text);
    if (error != 0) {
        emit_done(physmem, request, error, 0, text);
        return NULL;
    }
    reason = lacks_room(task, part);
    if (reason != SP_REASON_NONE) {
        refuse_room(physmem, request, part, reason);
        return NULL;
    }
    *contractp = promises_new(physmem);
    if (*contractp != NULL)
        return part;
    emit_done(physmem, request, ENOMEM, 0, "physmem has no memory for a contract");
    return NULL;
}

/* Turn a part into this contract of the task. Cannot fail. */
static void claim(struct physmem *physmem, struct physmem_task *task, struct part *part,
                  struct contract *contract)
{
    struct contract *from = part->from;

    offers_make_room(physmem, task);
    promises_add(task, contract);
    contract->terms = part_terms(physmem, part);
    contract->part = part;
    contract->depth = from->depth + 1;
    part->to = contract;
    ensure(contract->depth <= PART_DEPTH_MAX);
    ensure(physmem->unclaimed[from->terms.kind] >= part->frames);
    physmem->unclaimed[from->terms.kind] -= part->frames;
    life_activate(physmem, contract);
}

void physmem_part_claim(struct physmem *physmem, uint64_t now,
                        const struct physmem_request *request, uint64_t token)
{
    struct sp_offer offer = {.answer = SP_ACCEPTED};
    struct contract *contract;
    struct part *part = claim_decode(physmem, now, request, token, &contract);

    if (part == NULL)
        return;
    claim(physmem, request->task, part, contract);
    offer.contract = contract->number;
    offer.terms = contract->terms;
    offers_reply(physmem, request, &offer, contract);
    part->from->changes++;
    promises_tell(physmem, part->from, part->number, SP_REASON_PART_CLAIMED);
    settle_input(physmem);
}

/* ---- Taking back ---- */

/* A part of this number that the task split off and has not got back, or NULL. */
static struct part *part_find(struct physmem_task *task, uint32_t number)
{
    check(task->parts <= PARTS_PER_TASK);
    for (struct contract *c = task->contract_list; c != NULL; c = c->next)
        for (struct part *part = c->parts; part != NULL; part = part->next)
            if (part->number == number)
                return part;
    return NULL;
}

/* The part to be taken back; NULL, and the request is answered, if there is none. Changes nothing. */
static struct part *reabsorb_decode(struct physmem *physmem, uint64_t now,
                                    const struct physmem_request *request, uint32_t number)
{
    struct part *part;

    if (!input_begin(physmem, now, request))
        return NULL;
    part = part_find(request->task, number);
    check(part == NULL || part->from->task == request->task);
    if (part == NULL)
        emit_done(physmem, request, ENOENT, 0,
                  "no part of this number is out: it was never split off, or has come back "
                  "already");
    return part;
}

void physmem_part_reabsorb(struct physmem *physmem, uint64_t now,
                           const struct physmem_request *request, uint32_t number)
{
    struct part *part = reabsorb_decode(physmem, now, request, number);
    struct sp_offer offer = {.answer = SP_ACCEPTED};
    struct contract *contract;

    if (part == NULL)
        return;
    contract = part->from;
    life_call_back(physmem, part, false, SP_REASON_REABSORBED);
    check(contract->state == SP_CONTRACT_ACTIVE);
    offer.contract = contract->number;
    offer.terms = contract->terms;
    offers_reply(physmem, request, &offer, contract);
    settle_input(physmem);
}

/* Parts: frames that one contract hands to another, and how they come back. */
#include "core/physmem/internal.h"

static struct part *part_find(struct physmem_task *task, uint32_t number)
{
    for (struct contract *c = task->contract_list; c != NULL; c = c->next)
        for (struct part *part = c->parts; part != NULL; part = part->next)
            if (part->number == number)
                return part;
    return NULL;
}

void part_return(struct physmem *physmem, struct part *part)
{
    struct contract *from = part->from;
    struct physmem_task *above = from->task;
    struct part **linkp = &from->parts;

    while (*linkp != part)
        linkp = &(*linkp)->next;
    *linkp = part->next;
    part_table_remove(&physmem->parts, part);
    above->parts--;
    if (part->to != NULL) {
        task_unpromise(physmem, part->to->task, from->terms.kind, part->frames);
        part->to->part = NULL;
        part->to->depth = 0;
    } else {
        physmem->unclaimed[from->terms.kind] -= part->frames;
    }
    task_promise(physmem, above, from->terms.kind, part->frames);
    contract_grow(physmem, from, part->frames);
    if (!part->called_back)
        contract_tell(physmem, from, part->number, SP_REASON_PART_RETURNED);
    memory_free(physmem->allocator, part, sizeof(*part));
}

/* Take a part back from whoever has it. */
static void part_call_back(struct physmem *physmem, struct part *part, bool keep,
                           enum sp_reason why)
{
    struct contract *below = part->to;

    part->called_back = true;
    if (below == NULL) {
        part_return(physmem, part);
        return;
    }
    contract_retire(physmem, below, keep);
    contract_tell(physmem, below, 0, why);
    if (!keep)
        contract_dissolve(physmem, below);
}

void parts_end(struct physmem *physmem, struct contract *contract, bool keep)
{
    while (contract->parts != NULL)
        part_call_back(physmem, contract->parts, keep, SP_REASON_ABOVE_ENDED);
}

void part_shrink(struct physmem *physmem, struct part *part, uint32_t frames)
{
    struct contract *from = part->from;

    part->frames -= frames;
    task_unpromise(physmem, part->to->task, from->terms.kind, frames);
    task_promise(physmem, from->task, from->terms.kind, frames);
    contract_grow(physmem, from, frames);
    contract_tell(physmem, from, part->number, SP_REASON_PART_RETURNED);
}

/* A part that nobody has claimed yet; NULL without memory. */
static struct part *part_make(struct physmem *physmem, struct contract *contract, uint32_t frames,
                              uint64_t token)
{
    struct physmem_task *task = contract->task;
    struct part *part = memory_new(physmem->allocator, sizeof(*part));

    if (part == NULL)
        return NULL;
    part->token = token;
    part->frames = frames;
    part->from = contract;
    if (part_table_add(&physmem->parts, part) != 0) {
        memory_free(physmem->allocator, part, sizeof(*part));
        return NULL;
    }
    part->number = ++task->contract_number;
    part->next = contract->parts;
    contract->parts = part;
    task->parts++;
    task_unpromise(physmem, task, contract->terms.kind, frames);
    physmem->unclaimed[contract->terms.kind] += frames;
    contract_shrink(physmem, contract, frames);
    return part;
}

/* Why a contract cannot be split so; 0 if it can. */
static int split_error(const struct physmem *physmem, const struct contract *contract,
                       uint32_t frames, uint64_t token, const char **textp)
{
    const struct physmem_task *task = contract->task;

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

void physmem_split(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                   uint32_t number, uint32_t frames, uint64_t token)
{
    const char *text = "physmem has no memory for a part";
    struct physmem_effect *effect;
    struct contract *contract;
    struct part *part = NULL;
    int error;

    if (!physmem_begin(physmem, now, request))
        return;
    contract = contract_of_request(physmem, request, number, CONTRACT_SPLIT);
    if (contract == NULL)
        return;
    error = split_error(physmem, contract, frames, token, &text);
    if (error == 0) {
        part = part_make(physmem, contract, frames, token);
        error = part == NULL ? ENOMEM : 0;
    }
    if (error != 0) {
        physmem_reply_done(physmem, request, error, 0, text);
        return;
    }
    effect = physmem_reply(physmem, PHYSMEM_REPLY_PART, request, 0, NULL);
    effect->part.part =
        (struct sp_part){token, part->number, contract->number, frames, contract->terms.frames};
    effect->part.change = contract->changes;
    physmem_settle(physmem);
}

/* Whether the task holds the contract that a part was split off from, or one above that. */
static bool holds_above(const struct physmem_task *task, const struct part *part)
{
    while (part != NULL && part->from->task != task)
        part = part->from->part;
    return part != NULL;
}

/* Why a part cannot be claimed; 0 if it can. */
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

/* Turn a part into a contract of the task. NULL without memory. */
static struct contract *part_claim(struct physmem *physmem, struct physmem_task *task,
                                   struct part *part)
{
    struct contract *from = part->from;
    struct contract *contract = contract_add(physmem, task);

    if (contract == NULL)
        return NULL;
    contract->terms = from->terms;
    contract->terms.frames = part->frames;
    contract->terms.min = part->frames;
    if (from->ends != DEADLINE_NEVER)
        contract->terms.term_ns = from->ends > physmem->now ? from->ends - physmem->now : 1;
    contract->part = part;
    contract->depth = from->depth + 1;
    part->to = contract;
    physmem->unclaimed[from->terms.kind] -= part->frames;
    contract_activate(physmem, contract);
    return contract;
}

void physmem_claim(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                   uint64_t token)
{
    struct physmem_task *task = request->task;
    struct sp_offer offer = {.answer = SP_ACCEPTED};
    struct contract *contract;
    const char *text = NULL;
    struct part *part;
    int error;

    if (!physmem_begin(physmem, now, request))
        return;
    part = part_table_find(&physmem->parts, token);
    error = claim_error(task, part, &text);
    if (error != 0) {
        physmem_reply_done(physmem, request, error, 0, text);
        return;
    }
    offer.terms = part->from->terms;
    offer.terms.frames = part->frames;
    offer.terms.min = part->frames;
    if (!contract_has_room(physmem, task)) {
        offer.answer = SP_REFUSED;
        offer.reason = SP_REASON_TOO_MANY;
        contract_reply(physmem, request, &offer, NULL);
        return;
    }
    contract = part_claim(physmem, task, part);
    if (contract == NULL) {
        physmem_reply_done(physmem, request, ENOMEM, 0, "physmem has no memory for a contract");
        return;
    }
    offer.contract = contract->number;
    offer.terms = contract->terms;
    contract_reply(physmem, request, &offer, contract);
    part->from->changes++;
    contract_tell(physmem, part->from, part->number, SP_REASON_PART_CLAIMED);
    physmem_settle(physmem);
}

void physmem_reabsorb(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                      uint32_t number)
{
    struct contract *contract;
    struct sp_offer offer = {.answer = SP_ACCEPTED};
    struct part *part;

    if (!physmem_begin(physmem, now, request))
        return;
    part = part_find(request->task, number);
    if (part == NULL) {
        physmem_reply_done(physmem, request, ENOENT, 0,
                           "no part of this number is out: it was never split off, or has come "
                           "back already");
        return;
    }
    contract = part->from;
    part_call_back(physmem, part, false, SP_REASON_REABSORBED);
    offer.contract = contract->number;
    offer.terms = contract->terms;
    contract_reply(physmem, request, &offer, contract);
    physmem_settle(physmem);
}

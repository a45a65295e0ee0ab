#include "limit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <selfpage/contract.h>

#include "base/assert.h"

/* ---- The books ---- */

static uint32_t find(const struct limit *limit, uint32_t number)
{
    uint32_t i = 0;

    ensure(limit->count <= LIMIT_CONTRACTS);
    while (i < limit->count && limit->contract[i].number != number)
        i++;
    return i;
}

static void set(struct limit *limit, uint32_t number, uint32_t frames)
{
    uint32_t i = find(limit, number);

    if (i == LIMIT_CONTRACTS)
        return; /* physmem gives no task more */
    limit->contract[i].number = number;
    limit->contract[i].frames = frames;
    if (i == limit->count)
        limit->count++;
}

static void forget(struct limit *limit, uint32_t number)
{
    uint32_t i = find(limit, number);

    if (i < limit->count)
        limit->contract[i] = limit->contract[--limit->count];
}

/* Frames that the task may have beyond those of its contracts, without the one of this number. */
static uint32_t left_beside(const struct limit *limit, uint32_t number)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < limit->count; i++)
        sum += limit->contract[i].number != number ? limit->contract[i].frames : 0;
    return sum < limit->most ? limit->most - (uint32_t)sum : 0;
}

/* ---- Requests ---- */

static enum limit_verdict refuse(const struct wire_message *request, struct wire_message *answer,
                                 int error, const char *text)
{
    *answer =
        (struct wire_message){.type = WIRE_DONE, .seq = request->seq, .error = (uint32_t)error};
    snprintf(answer->done.text, sizeof(answer->done.text), "%s", text);
    return LIMIT_ANSWER;
}

/* The answer of a physmem whose policy server leaves the task fewer frames. */
static enum limit_verdict offer_less(const struct wire_message *request, uint32_t frames,
                                     struct wire_message *answer)
{
    *answer = (struct wire_message){.type = WIRE_OFFER, .seq = request->seq};
    answer->offer.answer = SP_REFUSED;
    answer->offer.reason = SP_REASON_NOT_ENTITLED;
    answer->offer.frames = frames;
    if (request->type == WIRE_RESIZE) {
        answer->offer.contract = request->resize.contract;
        answer->offer.state = SP_CONTRACT_ACTIVE;
        return LIMIT_ANSWER;
    }
    WIRE_COPY_TERMS(&answer->offer, &request->propose);
    answer->offer.frames = frames;
    return LIMIT_ANSWER;
}

static enum limit_verdict on_propose(const struct limit *limit, struct wire_message *request,
                                     struct wire_message *answer)
{
    uint32_t left = left_beside(limit, 0);

    if (request->propose.on_breach == SP_BREACH_KILL)
        return refuse(
            request, answer, EOPNOTSUPP,
            "breach=kill: between the task and physmem is a proxy, which would be killed");
    if (limit->most == 0 || request->propose.frames <= left)
        return LIMIT_PASS;
    if (left == 0 || request->propose.min > left)
        return offer_less(request, left, answer);
    request->propose.frames = left;
    return LIMIT_PASS;
}

static enum limit_verdict on_close(struct limit *limit, const struct wire_message *request,
                                   struct wire_message *answer)
{
    if (limit->closings == LIMIT_CONTRACTS)
        return refuse(request, answer, EBUSY, "too many requests to close contracts at once");
    limit->closing[limit->closings].seq = request->seq;
    limit->closing[limit->closings++].contract = request->close.contract;
    return LIMIT_PASS;
}

enum limit_verdict limit_request(struct limit *limit, struct wire_message *request,
                                 struct wire_message *answer)
{
    if (request->type == WIRE_PROPOSE)
        return on_propose(limit, request, answer);
    if (limit->most == 0)
        return LIMIT_PASS;
    if (request->type == WIRE_CLOSE)
        return on_close(limit, request, answer);
    if (request->type == WIRE_RESIZE &&
        request->resize.frames > left_beside(limit, request->resize.contract))
        return offer_less(request, left_beside(limit, request->resize.contract), answer);
    if (request->type == WIRE_CLAIM)
        return refuse(request, answer, EPERM,
                      "the proxy limits what a task may have: it cannot claim parts");
    return LIMIT_PASS;
}

/* ---- What physmem says ---- */

/* The answer to a CLOSE, perhaps. */
static void on_done(struct limit *limit, const struct wire_message *message)
{
    for (uint32_t i = 0; i < limit->closings; i++) {
        if (limit->closing[i].seq != message->seq)
            continue;
        if (message->error == 0)
            forget(limit, limit->closing[i].contract);
        limit->closing[i] = limit->closing[--limit->closings];
        return;
    }
}

void limit_note(struct limit *limit, const struct wire_message *message)
{
    if (message->type == WIRE_DONE)
        on_done(limit, message);
    else if (message->type == WIRE_OFFER && message->offer.answer == SP_ACCEPTED &&
             message->offer.state == SP_CONTRACT_ACTIVE)
        set(limit, message->offer.contract, message->offer.frames);
    else if (message->type == WIRE_PART && message->error == 0)
        set(limit, message->part.contract, message->part.left);
    else if (message->type == WIRE_CHANGED && message->changed.state == SP_CONTRACT_ACTIVE)
        set(limit, message->changed.contract, message->changed.frames);
}

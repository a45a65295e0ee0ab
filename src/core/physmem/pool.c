#include "core/physmem/pool.h"

#include "core/physmem/books.h"
#include "core/physmem/bury.h"
#include "core/physmem/emit.h"
#include "core/physmem/slots.h"

/* Extra frames are asked for in batches of at least this part of the pool. */
#define BATCH_SHARE 32u

static void watermark_set(struct physmem *physmem)
{
    uint32_t frames = frames_there(physmem);

    physmem->watermark = frames > 0 ? frames - physmem_extra_frames(frames) : 0;
    check(frames == 0 || physmem->watermark <= frames);
}

void pool_start(struct physmem *physmem)
{
    check(physmem->upstream.due == 0 && physmem->upstream.asked == 0);
    physmem->upstream.away = physmem->config.stacked ? physmem->config.frames : 0;
    physmem->upstream.ends = DEADLINE_NEVER;
    watermark_set(physmem);
}

void pool_make_free(struct physmem *physmem, uint32_t need)
{
    uint32_t free = need + physmem->upstream.away;
    struct punch punch = {NULL};

    ensure(need <= frames_available(physmem));
    bury_until_free(physmem, free);
    while (physmem->frames.buddy.free < free)
        slots_reuse_softest(physmem, &punch);
    punch_flush(physmem, &punch);
}

void pool_grow(struct physmem *physmem, uint32_t frames)
{
    ensure(frames <= physmem->upstream.away);
    physmem->upstream.away -= frames;
    watermark_set(physmem);
    books_availability_changed(physmem);
}

/* ---- What is due above ---- */

/* The recall that is due first. There is one. */
static struct upstream_recall *first_due(struct upstream_state *upstream)
{
    struct upstream_recall *first = NULL;

    for (unsigned i = 0; i < UPSTREAM_RECALLS; i++) {
        struct upstream_recall *recall = &upstream->recall[i];

        if (recall->missing > 0 && (first == NULL || recall->when < first->when))
            first = recall;
    }
    ensure(first != NULL);
    return first;
}

static void deadline_set(struct physmem *physmem)
{
    struct upstream_state *upstream = &physmem->upstream;

    deadlines_stop(&physmem->deadlines, &upstream->deadline);
    if (upstream->due > 0)
        deadlines_start(&physmem->deadlines, &upstream->deadline, first_due(upstream)->when);
    check(deadline_is_running(&upstream->deadline) == (upstream->due > 0));
}

void pool_owe(struct physmem *physmem, uint32_t frames, uint64_t when)
{
    struct upstream_state *upstream = &physmem->upstream;
    struct upstream_recall *recall = NULL;

    ensure(frames > 0 && frames <= frames_there(physmem) - upstream->due);
    for (unsigned i = 0; i < UPSTREAM_RECALLS && recall == NULL; i++)
        if (upstream->recall[i].missing == 0)
            recall = &upstream->recall[i];
    if (recall == NULL) { /* more than it may have open: they are due with the first */
        recall = first_due(upstream);
        when = when < recall->when ? when : recall->when;
    }
    recall->missing += frames;
    recall->when = when;
    upstream->due += frames;
    deadline_set(physmem);
    books_availability_changed(physmem);
}

/* Count frames against what is due first, as the physmem above does. */
static void pay(struct physmem *physmem, uint32_t frames)
{
    struct upstream_state *upstream = &physmem->upstream;

    ensure(frames <= upstream->due);
    while (frames > 0) {
        struct upstream_recall *recall = first_due(upstream);
        uint32_t paid = smaller(frames, recall->missing);

        recall->missing -= paid;
        upstream->due -= paid;
        frames -= paid;
    }
    deadline_set(physmem);
}

void pool_settle(struct physmem *physmem)
{
    uint32_t frames = smaller(physmem->upstream.due, frames_available(physmem));

    if (frames == 0)
        return;
    pool_make_free(physmem, frames);
    physmem->upstream.away += frames;
    watermark_set(physmem);
    pay(physmem, frames);
    books_availability_changed(physmem);
    emit_effect(physmem, PHYSMEM_UPSTREAM_RETURN, NULL)->upstream.frames = frames;
    check(physmem->upstream.due == 0 || frames_available(physmem) == 0);
}

/* ---- Asking ---- */

static void ask(struct physmem *physmem, uint32_t frames, bool extra)
{
    struct physmem_effect *effect = emit_effect(physmem, PHYSMEM_UPSTREAM_ASK, NULL);

    check(physmem->upstream.asked == 0);
    physmem->upstream.asked = smaller(frames, physmem->upstream.away);
    effect->upstream.frames = physmem->upstream.asked;
    effect->upstream.extra = extra;
}

void pool_ask(struct physmem *physmem, uint32_t wanted)
{
    const struct upstream_state *upstream = &physmem->upstream;
    uint32_t there = frames_there(physmem);
    uint32_t least = there / BATCH_SHARE + 1;

    check(physmem->config.stacked);
    if (upstream->asked > 0 || upstream->due > 0 || upstream->away == 0 || upstream->refused)
        return;
    if (there < upstream->committed) {
        ask(physmem, upstream->committed - there, false);
        return;
    }
    if (wanted == 0)
        return;
    /* Tasks get none of them that do not rise above the watermark. */
    wanted = smaller(wanted, upstream->away) + 2 * physmem->watermark;
    ask(physmem, wanted > least ? wanted : least, true);
}

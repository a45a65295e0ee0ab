#include "play/lessee.h"

#include "base/assert.h"
#include "base/deadlines.h"
#include "base/least.h"
#include "base/memory.h"
#include "core/physmem/upstream.h"

/* Frames that are asked for or given back in one message: as in a live one. */
#define PIECE 4096u

struct scene_physmem *lessee_find(struct scene *scene, const void *peer)
{
    for (uint32_t i = 1; i < scene->physmems; i++)
        if (peer == &scene->physmem[i])
            return &scene->physmem[i];
    return NULL;
}

/* ---- Letters ---- */

struct letter *lessee_letter(struct scene *scene, struct scene_physmem *physmem,
                             enum letter_kind kind)
{
    struct letter *letter = scene_letter(scene);

    if (letter == NULL)
        return NULL;
    letter->actor = physmem->number;
    letter->life = scene_state_of(scene, physmem)->life;
    letter->kind = (uint8_t)kind;
    return letter;
}

void lessee_post(struct scene *scene, struct scene_physmem *physmem, struct letter *letter,
                 bool control)
{
    scene_send(scene, letter, &physmem->lessee.up[control], SCENE_UP, 0);
}

static bool is_reply(const struct physmem_effect *effect)
{
    return effect->kind <= PHYSMEM_REPLY_OFFER;
}

/* ---- Questions ---- */

static bool note_question(struct scene *scene, struct scene_lessee *lessee,
                          struct scene_question question)
{
    if (memory_reserve(scene->allocator, &lessee->question, &lessee->question_room,
                       sizeof(*lessee->question), lessee->questions + 1) != 0) {
        scene->failed = true;
        return false;
    }
    lessee->question[lessee->questions++] = question;
    return true;
}

static struct scene_question *find_question(const struct scene_lessee *lessee, uint32_t seq)
{
    for (uint32_t i = 0; i < lessee->questions; i++)
        if (lessee->question[i].seq == seq)
            return &lessee->question[i];
    return NULL;
}

/* Slots that, by the answer to a question, have frames now, or have none any more. */
static uint32_t count_of(const struct scene_question *question, const struct physmem_effect *effect)
{
    if (effect->error != 0)
        return 0;
    return question->kind == LETTER_ALLOCATE ? effect->allocated.count : effect->count;
}

static void ask(struct scene *scene, struct scene_physmem *physmem, uint32_t frames, bool extra)
{
    struct scene_lessee *lessee = &physmem->lessee;

    ensure(frames > 0 && lessee->asking == 0);
    while (frames > 0) {
        struct letter *letter = lessee_letter(scene, physmem, LETTER_ALLOCATE);
        uint32_t start,
            count = lease_book_run(&lessee->book.holes, least_of(frames, PIECE), &start);

        ensure(count > 0);
        if (letter == NULL)
            return;
        letter->request.seq = ++scene->seq;
        letter->request.slot = start;
        letter->request.count = count;
        letter->request.extra = extra;
        letter->request.whole = !extra;
        if (!note_question(
                scene, lessee,
                (struct scene_question){letter->request.seq, LETTER_ALLOCATE, start, count}))
            return;
        lease_book_expect(&lessee->book, NULL, start, count);
        lessee->asking++;
        frames -= count;
        lessee_post(scene, physmem, letter, false);
    }
}

/* Give frames back, as far as they were not taken already. */
static void give_back(struct scene *scene, struct scene_physmem *physmem, uint32_t frames)
{
    struct scene_lessee *lessee = &physmem->lessee;
    uint32_t gone = least_of(frames, lessee->book.gone);

    lessee->book.gone -= gone;
    frames -= gone;
    while (frames > 0) {
        struct letter *letter = lessee_letter(scene, physmem, LETTER_DEALLOCATE);
        struct lease *from;
        uint32_t start, count = lease_book_find_spare(&lessee->book, NULL, least_of(frames, PIECE),
                                                      &from, &start);

        ensure(count > 0 && from == NULL);
        if (letter == NULL)
            return;
        letter->returns.count = 1;
        letter->returns.range[0] = (struct physmem_range){start, count};
        letter->returns.seq = ++scene->seq;
        if (!note_question(
                scene, lessee,
                (struct scene_question){letter->returns.seq, LETTER_DEALLOCATE, start, count}))
            return;
        lease_book_leave(&lessee->book, NULL, start, count);
        lessee->going += count;
        frames -= count;
        lessee_post(scene, physmem, letter, false);
    }
}

void lessee_carry_out(struct scene *scene, struct scene_physmem *physmem,
                      const struct physmem_effect *effect)
{
    if (physmem->lessee.lost)
        return;
    if (effect->kind == PHYSMEM_UPSTREAM_ASK)
        ask(scene, physmem, effect->upstream.frames, effect->upstream.extra);
    else if (effect->kind == PHYSMEM_UPSTREAM_RETURN)
        give_back(scene, physmem, effect->upstream.frames);
}

/* ---- What is promised ---- */

/* Tell the core what contracts above promise, if that has changed. */
static void promise(struct scene *scene, struct scene_physmem *physmem)
{
    struct tenancy *tenancy = &physmem->lessee.tenancy;

    if (tenancy_promise(tenancy))
        physmem_upstream_promised(physmem->core, scene->now, tenancy->promised, tenancy->until);
}

static void renew(struct scene *scene, struct scene_physmem *physmem, uint32_t number)
{
    uint64_t term_ns = tenancy_renew(&physmem->lessee.tenancy, number, scene->now);
    struct letter *letter = term_ns > 0 ? lessee_letter(scene, physmem, LETTER_RENEW) : NULL;

    if (letter == NULL)
        return;
    letter->request.seq = ++scene->seq;
    letter->request.contract = number;
    letter->request.number = term_ns;
    lessee_post(scene, physmem, letter, false);
}

/* ---- What the physmem above says ---- */

/* It counts as soon as it is so above: what has not been heard of is on its way. */
static void count_told(struct scene_lessee *lessee, const struct physmem_effect *effect)
{
    const struct scene_question *question =
        is_reply(effect) ? find_question(lessee, effect->seq) : NULL;

    if (effect->kind == PHYSMEM_SEND_REPOSSESSED) {
        lessee->taken += effect->repossessed.frames;
    } else if (question != NULL && question->kind == LETTER_ALLOCATE) {
        lessee->coming += count_of(question, effect);
    } else if (question != NULL) {
        check(question->count <= lessee->going);
        lessee->going -= question->count;
        lessee->overlap += (int32_t)(question->count - count_of(question, effect));
    }
}

void lessee_tell(struct scene *scene, struct scene_physmem *physmem,
                 const struct physmem_effect *effect)
{
    struct scene_lessee *lessee = &physmem->lessee;
    struct letter *letter;

    if (effect->kind == PHYSMEM_KILL)
        lessee->lost = true;
    if (lessee->lost || effect->kind > PHYSMEM_SEND_REVOKED)
        return;
    lessee->revoked = lessee->revoked || effect->kind == PHYSMEM_SEND_REVOKED;
    if (lessee->opens && is_reply(effect)) {
        lessee->reply = *effect;
        return;
    }
    letter = lessee_letter(scene, physmem, 0);
    if (letter == NULL)
        return;
    count_told(lessee, effect);
    letter->said.effect = *effect;
    if (effect->kind == PHYSMEM_SEND_REPOSSESSED) {
        const struct physmem_map_item *item =
            physmem_map_items(lessee->above->core, effect->repossessed.first);

        check(effect->repossessed.count <= EXTENT_PAGES / 2);
        for (uint32_t i = 0; i < effect->repossessed.count; i++)
            letter->said.item[i] = (struct physmem_range){item[i].slot, item[i].count};
    }
    scene_send(scene, letter, &lessee->down[!is_reply(effect)], SCENE_DOWN, 0);
}

static void hear_allocated(struct scene *scene, struct scene_physmem *physmem,
                           const struct scene_question *question, uint32_t count)
{
    struct scene_lessee *lessee = &physmem->lessee;
    struct lease_book *book = &lessee->book;
    uint32_t granted;

    check(count <= question->count && count <= lessee->coming);
    lessee->coming -= count;
    lease_book_arrive(book, NULL, question->start, count, true);
    lease_book_arrive(book, NULL, question->start + count, question->count - count, false);
    lessee->granted += count;
    if (--lessee->asking > 0)
        return;
    granted = lessee->granted;
    lessee->granted = 0;
    physmem_upstream_granted(physmem->core, scene->now, granted);
}

static void hear_reply(struct scene *scene, struct scene_physmem *physmem,
                       const struct physmem_effect *effect)
{
    struct scene_lessee *lessee = &physmem->lessee;
    struct scene_question *found = find_question(lessee, effect->seq);
    struct scene_question question;

    if (effect->kind == PHYSMEM_REPLY_OFFER) {
        if (effect->error == 0)
            tenancy_renewed(&lessee->tenancy, &effect->offer.offer, effect->offer.state,
                            effect->offer.change);
        promise(scene, physmem);
        return;
    }
    if (found == NULL)
        return;
    question = *found;
    *found = lessee->question[--lessee->questions];
    if (question.kind == LETTER_ALLOCATE)
        hear_allocated(scene, physmem, &question, count_of(&question, effect));
    else
        lease_book_left(&lessee->book, NULL, question.start, question.count);
}

static void hear_notice(struct scene *scene, struct scene_physmem *physmem,
                        const struct physmem_effect *effect)
{
    if (effect->notice.what == PHYSMEM_AVAILABLE) {
        physmem_upstream_available(physmem->core, scene->now);
    } else if (effect->notice.what == PHYSMEM_EXPIRING) {
        renew(scene, physmem, effect->notice.contract);
    } else {
        tenancy_expired(&physmem->lessee.tenancy, effect->notice.contract, effect->notice.change);
        promise(scene, physmem);
    }
}

static void hear_repossessed(struct scene *scene, struct scene_physmem *physmem,
                             const struct letter *letter)
{
    const struct physmem_effect *effect = &letter->said.effect;
    struct scene_lessee *lessee = &physmem->lessee;
    uint32_t taken = 0;

    for (uint32_t i = 0; i < effect->repossessed.count; i++)
        taken += lease_book_take_stock(&lessee->book, letter->said.item[i].start,
                                       letter->said.item[i].count);
    check(taken <= effect->repossessed.frames && effect->repossessed.frames <= lessee->taken);
    lessee->taken -= effect->repossessed.frames;
    lessee->overlap -= (int32_t)(effect->repossessed.frames - taken);
    lessee->book.gone += taken;
    if (taken > 0)
        physmem_upstream_taken(physmem->core, scene->now, taken);
}

/* Nothing that it has is mapped. */
static void answer_unmap(struct scene *scene, struct scene_physmem *physmem, uint64_t id)
{
    struct letter *letter = lessee_letter(scene, physmem, LETTER_UNMAPPED);

    if (letter == NULL)
        return;
    letter->request.number = id;
    lessee_post(scene, physmem, letter, true);
}

void lessee_hear(struct scene *scene, struct scene_physmem *physmem, const struct letter *letter)
{
    const struct physmem_effect *effect = &letter->said.effect;

    if (is_reply(effect)) {
        hear_reply(scene, physmem, effect);
    } else if (effect->kind == PHYSMEM_SEND_RECALL) {
        physmem_upstream_recalled(physmem->core, scene->now, effect->recall.frames,
                                  effect->recall.unit == SP_GRACE_TIME ? effect->recall.grace : 0);
    } else if (effect->kind == PHYSMEM_SEND_NOTICE) {
        hear_notice(scene, physmem, effect);
    } else if (effect->kind == PHYSMEM_SEND_CHANGED) {
        tenancy_changed(&physmem->lessee.tenancy, effect->changed.contract, effect->changed.state,
                        effect->changed.frames, effect->changed.change);
        promise(scene, physmem);
    } else if (effect->kind == PHYSMEM_SEND_REPOSSESSED) {
        hear_repossessed(scene, physmem, letter);
    } else if (effect->kind == PHYSMEM_SEND_UNMAP) {
        answer_unmap(scene, physmem, effect->unmap.id);
    } else if (effect->kind == PHYSMEM_SEND_REVOKED) {
        physmem->lessee.lost = true;
    }
}

bool lessee_agrees(const struct scene_physmem *physmem)
{
    const struct scene_lessee *lessee = &physmem->lessee;
    uint64_t held = physmem_task_get_books(lessee->task).held;
    uint64_t less = (uint64_t)lessee->book.gone + lessee->taken;
    uint64_t here = (uint64_t)physmem_get_books(physmem->core).frames + lessee->coming +
                    lessee->granted + (uint64_t)(int64_t)lessee->overlap;

    return held + less >= here && held + less <= here + lessee->going;
}

#include "play/lessee.h"

#include "base/assert.h"
#include "base/deadlines.h"
#include "base/memory.h"
#include "core/physmem/upstream.h"
#include "play/letting.h"
#include "play/thread.h"

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

static bool note_question(struct scene *scene, struct scene_lessee *lessee, uint32_t seq,
                          const struct lessee_question *question)
{
    if (memory_reserve(scene->allocator, &lessee->question, &lessee->question_room,
                       sizeof(*lessee->question), lessee->questions + 1) != 0) {
        scene->failed = true;
        return false;
    }
    lessee->question[lessee->questions++] =
        (struct scene_question){seq, question->number, question->kind};
    return true;
}

static struct scene_question *find_question(const struct scene_lessee *lessee, uint32_t seq)
{
    for (uint32_t i = 0; i < lessee->questions; i++)
        if (lessee->question[i].seq == seq)
            return &lessee->question[i];
    return NULL;
}

static enum letter_kind kind_of(enum lessee_question_kind kind)
{
    static const enum letter_kind kinds[] = {
        [LESSEE_CREATE] = LETTER_CONTAINER,
        [LESSEE_EXCHANGE] = LETTER_EXCHANGE,
        [LESSEE_DEALLOCATE] = LETTER_DEALLOCATE,
        [LESSEE_ALLOCATE] = LETTER_ALLOCATE,
        [LESSEE_MAP] = LETTER_MAP,
        [LESSEE_DESTROY] = LETTER_DESTROY,
    };

    return kinds[kind];
}

static void fill_in(struct letter *letter, const struct lessee_question *question, uint32_t seq)
{
    if (question->kind == LESSEE_DEALLOCATE) {
        letter->returns.seq = seq;
        letter->returns.container = question->container;
        letter->returns.count = 1;
        letter->returns.range[0] = (struct physmem_range){question->start, question->count};
        return;
    }
    letter->request.seq = seq;
    letter->request.container = question->container;
    letter->request.slot = question->start;
    letter->request.count = question->count;
    letter->request.to = question->to;
    letter->request.to_slot = question->to_start;
    letter->request.extra = question->extra;
    letter->request.whole = !question->extra;
    letter->request.writes = true;
}

static void ask(struct scene *scene, struct scene_physmem *physmem,
                const struct lessee_question *question)
{
    struct letter *letter = lessee_letter(scene, physmem, kind_of(question->kind));
    uint32_t seq = ++scene->seq;

    if (letter == NULL)
        return;
    fill_in(letter, question, seq);
    if (note_question(scene, &physmem->lessee, seq, question))
        lessee_post(scene, physmem, letter, false);
    else
        scene_drop(scene, letter);
}

/* ---- What the machine wants ---- */

/* There is no memory above for an extent of a task, which ends. */
static void refused(struct scene *scene, const void *owner)
{
    struct scene_physmem *below = lessee_find(scene, letting_peer(owner));

    if (below != NULL)
        below->lessee.lost = true;
    else
        thread_end(letting_peer(owner), THREAD_DIED);
}

static void carry_out(struct scene *scene, struct scene_physmem *physmem,
                      const struct lessee_effect *effect)
{
    switch (effect->kind) {
    case LESSEE_QUESTION:
        ask(scene, physmem, &effect->question);
        break;
    case LESSEE_READY:
        letting_ready(scene, effect->owner);
        break;
    case LESSEE_REFUSED:
        refused(scene, effect->owner);
        break;
    case LESSEE_GRANTED:
        physmem_upstream_granted(physmem->core, scene->now, effect->frames);
        break;
    case LESSEE_TAKEN:
        physmem_upstream_taken(physmem->core, scene->now, effect->frames);
        break;
    case LESSEE_FAILED:
        scene->failed = true;
        break;
    case LESSEE_UNNEEDED: /* a descriptor costs nothing */
    case LESSEE_NOTHING:
        break;
    }
}

bool lessee_go_on(struct scene *scene, struct scene_physmem *physmem)
{
    struct lessee_effect effect;
    bool any = false;

    if (physmem->core == NULL || physmem->lessee.above == NULL || physmem->lessee.lost)
        return false;
    while (!physmem->lessee.lost && lessee_next_effect(&physmem->lessee.machine, &effect)) {
        carry_out(scene, physmem, &effect);
        any = true;
    }
    return any;
}

/* ---- Rights that are asked back ---- */

static void answer_unmap(struct scene *scene, struct scene_physmem *physmem, uint64_t id)
{
    struct letter *letter = lessee_letter(scene, physmem, LETTER_UNMAPPED);

    if (letter == NULL)
        return;
    letter->request.number = id;
    lessee_post(scene, physmem, letter, true);
}

/* One of those that were asked below has answered. */
static void unmapped(struct scene *scene, struct scene_physmem *physmem, uint32_t token)
{
    struct scene_lessee *lessee = &physmem->lessee;

    for (uint32_t i = 0; i < lessee->unmaps; i++) {
        struct scene_unmap *unmap = &lessee->unmap[i];

        if (unmap->token != token)
            continue;
        ensure(unmap->left > 0);
        if (--unmap->left > 0)
            return;
        answer_unmap(scene, physmem, unmap->id);
        *unmap = lessee->unmap[--lessee->unmaps];
        return;
    }
    ensure(!"it was passed on");
}

/* Pass it on to the tasks below that use the pages. */
static void hear_unmap(struct scene *scene, struct scene_physmem *physmem,
                       const struct physmem_effect *effect)
{
    const struct physmem_range *range = &effect->unmap.range;
    const struct lessee_run run = {range->start, range->count};
    struct scene_lessee *lessee = &physmem->lessee;
    const void *owner = lessee_unmapped(&lessee->machine, effect->unmap.container, &run, 1);
    uint32_t left = 0;

    if (memory_reserve(scene->allocator, &lessee->unmap, &lessee->unmap_room,
                       sizeof(*lessee->unmap), lessee->unmaps + 1) != 0) {
        scene->failed = true;
        return;
    }
    if (owner != NULL)
        left =
            physmem_upstream_unmap(physmem->core, scene->now, letting_extent(owner), range->start,
                                   range->count, effect->unmap.grace_ns, ++lessee->tokens);
    if (left == 0)
        answer_unmap(scene, physmem, effect->unmap.id);
    else
        lessee->unmap[lessee->unmaps++] =
            (struct scene_unmap){effect->unmap.id, lessee->tokens, left};
}

void lessee_carry_out(struct scene *scene, struct scene_physmem *physmem,
                      const struct physmem_effect *effect)
{
    struct scene_lessee *lessee = &physmem->lessee;

    if (lessee->lost)
        return;
    if (effect->kind == PHYSMEM_UPSTREAM_ASK)
        lessee_ask(&lessee->machine, effect->upstream.frames, effect->upstream.extra);
    else if (effect->kind == PHYSMEM_UPSTREAM_RETURN)
        lessee_return(&lessee->machine, effect->upstream.frames);
    else if (effect->kind == PHYSMEM_UPSTREAM_UNMAPPED)
        unmapped(scene, physmem, effect->unmapped.token);
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

/* What an effect names lies in the physmem above, and only now. */
static void note_items(const struct physmem *above, struct letter *letter, uint32_t first,
                       uint32_t count)
{
    const struct physmem_map_item *item = physmem_map_items(above, first);

    check(count <= EXTENT_PAGES / 2);
    for (uint32_t i = 0; i < count; i++)
        letter->said.item[i] = (struct physmem_range){item[i].slot, item[i].count};
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
    letter->said.effect = *effect;
    if (effect->kind == PHYSMEM_SEND_REPOSSESSED) {
        note_items(lessee->above->core, letter, effect->repossessed.first,
                   effect->repossessed.count);
        lessee->news++;
    } else if (effect->kind == PHYSMEM_REPLY_MAPPED && effect->error == 0) {
        note_items(lessee->above->core, letter, effect->mapped.first, effect->mapped.count);
        if (lessee->above->lessee.above != NULL)
            letting_use(scene, lessee->above, effect, &lessee->holds);
    }
    if (is_reply(effect))
        letting_reply(scene, &lessee->holds, letter, &lessee->down, SCENE_DOWN, 0);
    else
        scene_send(scene, letter, &lessee->down, SCENE_DOWN, 0);
}

static uint32_t take_runs(const struct letter *letter, struct lessee_run run[EXTENT_PAGES / 2])
{
    uint32_t count = letter->said.effect.mapped.count;

    for (uint32_t i = 0; i < count; i++)
        run[i] = (struct lessee_run){letter->said.item[i].start, letter->said.item[i].count};
    return count;
}

/* What a reply says of a question; `run` is room for its runs. */
static struct lessee_answer answer_of(enum lessee_question_kind kind, const struct letter *letter,
                                      struct lessee_run run[EXTENT_PAGES / 2])
{
    const struct physmem_effect *effect = &letter->said.effect;
    struct lessee_answer answer = {.error = effect->error, .run = run, .fd = -1};

    if (effect->error != 0)
        return answer;
    if (kind == LESSEE_CREATE)
        answer.container = effect->container.container;
    else if (kind == LESSEE_ALLOCATE)
        answer.count = effect->allocated.count;
    else if (kind == LESSEE_DESTROY)
        answer.count = effect->count;
    else if (kind == LESSEE_MAP)
        answer.runs = take_runs(letter, run);
    answer.fd = answer.runs > 0 ? 0 : -1; /* any number will do */
    return answer;
}

static void hear_reply(struct scene *scene, struct scene_physmem *physmem,
                       const struct letter *letter)
{
    const struct physmem_effect *effect = &letter->said.effect;
    struct scene_lessee *lessee = &physmem->lessee;
    struct scene_question *found = find_question(lessee, effect->seq);
    struct lessee_run run[EXTENT_PAGES / 2];
    struct scene_question question;
    struct lessee_answer answer;

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
    answer = answer_of(question.kind, letter, run);
    lessee_answered(&lessee->machine, question.number, &answer);
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
    struct lessee_run run[EXTENT_PAGES / 2];
    const void *owner;

    ensure(lessee->news > 0);
    lessee->news--;
    for (uint32_t i = 0; i < effect->repossessed.count; i++)
        run[i] = (struct lessee_run){letter->said.item[i].start, letter->said.item[i].count};
    owner = lessee_repossessed(&lessee->machine, effect->repossessed.container, run,
                               effect->repossessed.count);
    (void)lessee_go_on(scene, physmem); /* the core knows first that they are gone */
    if (owner != NULL)
        physmem_upstream_lost(physmem->core, scene->now, letting_extent(owner));
}

void lessee_hear(struct scene *scene, struct scene_physmem *physmem, const struct letter *letter)
{
    const struct physmem_effect *effect = &letter->said.effect;

    if (is_reply(effect)) {
        hear_reply(scene, physmem, letter);
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
        hear_unmap(scene, physmem, effect);
    } else if (effect->kind == PHYSMEM_SEND_REVOKED) {
        physmem->lessee.lost = true;
    }
}

void lessee_end_all(struct scene *scene, struct scene_physmem *physmem)
{
    struct scene_lessee *lessee = &physmem->lessee;

    letting_end(scene, physmem);
    memory_free(scene->allocator, lessee->question,
                lessee->question_room * sizeof(*lessee->question));
    memory_free(scene->allocator, lessee->unmap, lessee->unmap_room * sizeof(*lessee->unmap));
    lessee->question = NULL;
    lessee->questions = lessee->question_room = 0;
    lessee->unmap = NULL;
    lessee->unmaps = lessee->unmap_room = 0;
}

bool lessee_agrees(const struct scene_physmem *physmem)
{
    const struct scene_lessee *lessee = &physmem->lessee;
    const struct lease_book *book = &lessee->machine.book;
    uint64_t frames = book->stock_count;

    if (lessee->questions + lessee->news > 0)
        return true;
    for (const struct lease *lease = book->first; lease != NULL; lease = lease->next)
        frames += pages_count(lease->held);
    return frames == physmem_task_get_books(lessee->task).held &&
           frames + book->gone ==
               (uint64_t)physmem_get_books(physmem->core).frames + book->returning;
}

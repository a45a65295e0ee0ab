#include "core/leases/lessee.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/least.h"
#include "base/memory.h"

/* Frames that go to a lease ahead of need with one that is needed, while the stock has many more. */
#define AHEAD       16u
#define AHEAD_STOCK (4 * AHEAD)

/* Frames that are asked for or given back in one message. */
#define PIECE 4096u

_Static_assert(offsetof(struct lessee, book) == 0, "a book is its lessee's");

/* Leases NULL: the stock. */
struct lessee_job {
    struct lessee_job *next;
    struct lessee_question question;
    struct lease *from;
    struct lease *to;
};

/* ---- Sets of pages ---- */

/* The pages that it holds, or soon will, and may not touch yet. */
static void unmapped_pages(const struct lease *lease, uint64_t words[PAGES_WORDS])
{
    check(lease->pages <= EXTENT_PAGES);
    for (unsigned i = 0; i < PAGES_WORDS; i++)
        words[i] = (lease->held[i] | lease->coming[i]) & ~lease->mapped[i] & ~lease->mapping[i];
}

/* The pages that it lacks, and that are not coming. */
static void lacking_pages(const struct lease *lease, uint64_t words[PAGES_WORDS])
{
    check(lease->pages <= EXTENT_PAGES);
    for (unsigned i = 0; i < PAGES_WORDS; i++)
        words[i] = lease->used[i] & ~lease->held[i] & ~lease->coming[i];
}

/* ---- Effects ---- */

static struct lessee *lessee_of(const struct lease *lease)
{
    check(lease->book != NULL);
    return (struct lessee *)lease->book; /* its first member */
}

void lessee_fail(struct lessee *lessee, const char *what)
{
    check(what != NULL);
    if (lessee->failed)
        return;
    lessee->failed = true;
    lessee->failure = what;
}

static struct lessee_effect *emit(struct lessee *lessee, enum lessee_effect_kind kind)
{
    static struct lessee_effect lost;
    struct lessee_effect *effect = &lost;

    check(lessee->effect_next <= lessee->effects);
    if (memory_reserve(lessee->book.allocator, &lessee->effect, &lessee->effect_room,
                       sizeof(*effect), lessee->effects + 1) == 0)
        effect = &lessee->effect[lessee->effects++];
    else
        lessee_fail(lessee, "there is no memory for an effect");
    *effect = (struct lessee_effect){.kind = kind};
    return effect;
}

bool lessee_next_effect(struct lessee *lessee, struct lessee_effect *effect)
{
    check(lessee->effect_next <= lessee->effects);
    while (lessee->effect_next < lessee->effects) {
        *effect = lessee->effect[lessee->effect_next++];
        if (effect->kind != LESSEE_NOTHING)
            return true;
    }
    lessee->effects = lessee->effect_next = 0;
    if (lessee->failure == NULL)
        return false;
    *effect = (struct lessee_effect){.kind = LESSEE_FAILED, .what = lessee->failure};
    lessee->failure = NULL;
    return true;
}

/* ---- Questions ---- */

/* A question about these leases; NULL, and the lessee has failed, without memory. ask() takes it. */
static struct lessee_job *job_new(struct lessee *lessee, enum lessee_question_kind kind,
                                  struct lease *from, struct lease *to)
{
    struct lessee_job *job = memory_new(lessee->book.allocator, sizeof(*job));

    check(from == NULL || from->book == &lessee->book);
    if (job == NULL) {
        lessee_fail(lessee, "there is no memory for a question");
        return NULL;
    }
    job->question.kind = kind;
    job->question.number = ++lessee->number;
    job->from = from;
    job->to = to;
    job->next = lessee->job;
    lessee->job = job;
    if (from != NULL)
        from->jobs++;
    if (to != NULL)
        to->jobs++;
    return job;
}

static void ask(struct lessee *lessee, const struct lessee_job *job)
{
    check(job->question.number > 0 && job->question.number <= lessee->number);
    emit(lessee, LESSEE_QUESTION)->question = job->question;
}

/* The question of this number, which is answered for the first time. */
static struct lessee_job *take_job(struct lessee *lessee, uint32_t number)
{
    struct lessee_job **link = &lessee->job, *job;

    ensure(number > 0 && number <= lessee->number && *link != NULL);
    while ((*link)->question.number != number)
        link = &(*link)->next;
    job = *link;
    *link = job->next;
    return job;
}

static void exchange(struct lessee *lessee, struct lease *from, uint32_t from_start,
                     struct lease *to, uint32_t to_start, uint32_t count)
{
    struct lessee_job *job = job_new(lessee, LESSEE_EXCHANGE, from, to);

    check(count > 0 && count <= EXTENT_PAGES);
    if (job == NULL)
        return;
    lease_book_leave(&lessee->book, from, from_start, count);
    lease_book_expect(&lessee->book, to, to_start, count);
    job->question.container = lease_book_container(&lessee->book, from);
    job->question.start = from_start;
    job->question.to = lease_book_container(&lessee->book, to);
    job->question.to_start = to_start;
    job->question.count = count;
    ask(lessee, job);
}

static void give_back(struct lessee *lessee, struct lease *from, uint32_t start, uint32_t count)
{
    struct lessee_job *job = job_new(lessee, LESSEE_DEALLOCATE, from, NULL);

    check(count > 0);
    if (job == NULL)
        return;
    lease_book_leave(&lessee->book, from, start, count);
    job->question.container = lease_book_container(&lessee->book, from);
    job->question.start = start;
    job->question.count = count;
    ask(lessee, job);
}

/* ---- What leases want, and what is due above ---- */

static void return_some(struct lessee *lessee)
{
    struct lease *lease;
    uint32_t first, count;

    check(lessee->book.returning == 0 || lessee->book.gone == 0);
    while (lessee->book.returning > 0 && !lessee->failed) {
        count = least_of(lessee->book.returning, PIECE);
        count = lease_book_find_spare(&lessee->book, NULL, count, &lease, &first);
        if (count == 0)
            return;
        give_back(lessee, lease, first, count);
        lessee->book.returning -= count;
    }
}

static void make_blanks(struct lessee *lessee)
{
    check(lessee->blanks + lessee->blanks_coming <= LESSEE_BLANKS);
    while (lessee->blanks + lessee->blanks_coming < LESSEE_BLANKS && !lessee->failed) {
        struct lessee_job *job = job_new(lessee, LESSEE_CREATE, NULL, NULL);

        if (job == NULL)
            return;
        job->question.count = EXTENT_PAGES;
        lessee->blanks_coming++;
        ask(lessee, job);
    }
}

static bool take_blank(struct lessee *lessee, struct lease *lease)
{
    check(lease->container == 0);
    if (lessee->blanks > 0)
        lease->container = lessee->blank[--lessee->blanks];
    make_blanks(lessee);
    return lease->container != 0;
}

/* How many pages from `first` on to fill: those that are lacking, and some more. */
static uint32_t run_to_fill(const struct lease *lease, uint32_t first, uint32_t lacking)
{
    uint32_t count = lacking;

    check(first + lacking <= lease->pages);
    if (lease->book->stock_count < AHEAD_STOCK + lacking)
        return lacking;
    while (first + count < lease->pages && count < lacking + AHEAD - 1 &&
           !pages_has(lease->held, first + count) && !pages_has(lease->coming, first + count))
        count++;
    return count;
}

/* Whether a run has a page that is used. */
static bool is_used(const struct lease *lease, uint32_t first, uint32_t count)
{
    check(first + count <= lease->pages);
    for (uint32_t page = first; page < first + count; page++)
        if (pages_has(lease->used, page))
            return true;
    return false;
}

/* Ask for the rights to a run of pages; with the first one comes the descriptor. */
static void map(struct lease *lease, uint32_t first, uint32_t count)
{
    struct lessee_job *job = job_new(lessee_of(lease), LESSEE_MAP, NULL, lease);

    check(lease->container != 0 && count > 0);
    if (job == NULL)
        return;
    pages_add(lease->mapping, first, count);
    job->question.container = lease->container;
    job->question.start = first;
    job->question.count = count;
    ask(lessee_of(lease), job);
}

/* Ask for the rights to all pages that are used, and to those that came with them. */
static void map_used(struct lease *lease)
{
    uint64_t words[PAGES_WORDS];
    uint32_t first, count;

    check(lease->container != 0);
    unmapped_pages(lease, words);
    while ((count = pages_run(words, lease->pages, EXTENT_PAGES, &first)) > 0) {
        pages_remove(words, first, count);
        if (is_used(lease, first, count))
            map(lease, first, count);
    }
}

/* Ask for what a lease lacks. False if nothing can be had for it now. */
static bool fill(struct lessee *lessee, struct lease *lease)
{
    uint64_t words[PAGES_WORDS];
    uint32_t first, lacking, from_start, count;
    struct lease *from;

    check(lease->wanting && lease->owner != NULL);
    if (lease->container == 0 && !take_blank(lessee, lease))
        return false;
    for (;;) {
        lacking_pages(lease, words);
        lacking = pages_run(words, lease->pages, EXTENT_PAGES, &first);
        if (lacking == 0)
            break;
        count = lease_book_find_spare(&lessee->book, lease, run_to_fill(lease, first, lacking),
                                      &from, &from_start);
        if (count == 0 || lessee->failed)
            return false;
        exchange(lessee, from, from_start, lease, first, count);
    }
    map_used(lease);
    return true;
}

/* Do what can be done now: what is due above first, then the leases that want something, in turn. */
static void serve(struct lessee *lessee)
{
    check(lessee->book.wanting_first == NULL || lessee->book.wanting_first->wanting);
    return_some(lessee);
    while (lessee->book.wanting_first != NULL && !lessee->failed &&
           fill(lessee, lessee->book.wanting_first))
        lease_book_unwant_first(&lessee->book);
}

/* ---- The end of a lease ---- */

static void destroy(struct lease *lease)
{
    struct lessee_job *job = job_new(lessee_of(lease), LESSEE_DESTROY, lease, NULL);

    check(lease->owner == NULL && !lease->destroyed);
    if (job == NULL)
        return;
    lease->destroyed = true;
    job->question.container = lease->container;
    ask(lessee_of(lease), job);
}

/* Go on with a lease that has ended, once no question about it is open: its frames go to the stock,
 * and then it is destroyed. */
static void end_on(struct lease *lease)
{
    struct lessee *lessee = lessee_of(lease);
    uint32_t first, count, hole;

    if (lease->owner != NULL || lease->jobs > 0 || lessee->failed)
        return;
    if (lease->container == 0 || lease->destroyed) {
        lease_book_remove(lease);
        return;
    }
    while ((count = pages_run(lease->held, lease->pages, EXTENT_PAGES, &first)) > 0) {
        count = lease_book_run(&lessee->book.holes, count, &hole);
        ensure(count > 0);
        exchange(lessee, lease, first, NULL, hole, count);
        if (lessee->failed)
            return;
    }
    if (lease->jobs == 0)
        destroy(lease);
}

/* ---- Answers ---- */

/* Tell the owner once the lease is ready, if it was not. */
static void look_if_ready(struct lease *lease)
{
    check(!lease->destroyed || lease->owner == NULL);
    if (!lease->unready || lease->owner == NULL || !lessee_is_ready(lease))
        return;
    lease->unready = false;
    emit(lessee_of(lease), LESSEE_READY)->owner = lease->owner;
}

static void on_created(struct lessee *lessee, const struct lessee_answer *answer)
{
    check(lessee->blanks_coming > 0);
    lessee->blanks_coming--;
    if (answer->error != 0 || answer->container == 0)
        lessee_fail(lessee, "it refuses a container");
    else
        lessee->blank[lessee->blanks++] = answer->container;
}

/* Whether the physmem above has answered so, and not for want of memory. */
static bool is_done(struct lessee *lessee, const struct lessee_answer *answer)
{
    if (answer->error == ENOMEM)
        lessee_fail(lessee, "it has no memory for its books");
    return answer->error == 0;
}

/* Want a lease again whose question was in vain. */
static void want_again(struct lease *lease)
{
    check(!lease->destroyed);
    if (lease->owner != NULL && !lease->lost && !lessee_is_ready(lease))
        lease_book_want(lease);
}

/* The physmem above has taken frames. Those that the core has given back already, and that could not go yet, are what it was
 * to have: the core does not count them any more. */
static void count_taken(struct lessee *lessee, uint32_t frames)
{
    uint32_t given = least_of(frames, lessee->book.returning);

    check(lessee->book.returning == 0 || lessee->book.gone == 0);
    lessee->book.returning -= given;
    if (frames == given)
        return;
    lessee->book.gone += frames - given;
    emit(lessee, LESSEE_TAKEN)->frames = frames - given;
}

/* Frames were taken above while they were being moved. It is not known which, so the rest of them is given up, too. */
static void give_up(struct lessee *lessee, const struct lessee_job *job)
{
    const struct lessee_question *question = &job->question;

    check(question->kind == LESSEE_EXCHANGE);
    if (job->from != NULL && job->from->lost)
        return;
    lease_book_stay(&lessee->book, job->from, question->start, question->count);
    give_back(lessee, job->from, question->start, question->count);
}

static void on_exchanged(struct lessee *lessee, const struct lessee_job *job,
                         const struct lessee_answer *answer)
{
    const struct lessee_question *question = &job->question;
    bool came = is_done(lessee, answer);
    bool lost = job->to != NULL && job->to->lost; /* they were counted then */

    check(question->count > 0);
    lease_book_left(&lessee->book, job->from, question->start, question->count);
    lease_book_arrive(&lessee->book, job->to, question->to_start, question->count, came);
    if (came)
        return;
    give_up(lessee, job);
    if (lost)
        return;
    count_taken(lessee, question->count);
    if (job->to != NULL)
        want_again(job->to);
}

static void on_allocated(struct lessee *lessee, const struct lessee_question *question,
                         const struct lessee_answer *answer)
{
    uint32_t count = answer->error == 0 ? answer->count : 0;

    ensure(lessee->pieces > 0);
    lease_book_arrive(&lessee->book, NULL, question->start, count, true);
    lease_book_arrive(&lessee->book, NULL, question->start + count, question->count - count, false);
    lessee->granted += count;
    if (--lessee->pieces > 0)
        return;
    emit(lessee, LESSEE_GRANTED)->frames = lessee->granted;
    lessee->granted = 0;
}

/* A descriptor has come for a lease, or -1. */
static void keep_descriptor(struct lease *lease, int fd)
{
    check(lease->jobs > 0);
    if (fd < 0)
        return;
    if (lease->owner != NULL && lease->fd < 0)
        lease->fd = fd;
    else
        emit(lessee_of(lease), LESSEE_UNNEEDED)->fd = fd;
}

static void on_mapped(struct lease *lease, const struct lessee_question *question,
                      const struct lessee_answer *answer)
{
    check(lease->jobs > 0 && question->container == lease->container);
    pages_remove(lease->mapping, question->start, question->count);
    if (answer->error == EMFILE && lease->owner != NULL) {
        emit(lessee_of(lease), LESSEE_REFUSED)->owner = lease->owner;
        return;
    }
    if (answer->error == 0 && answer->runs > 0) {
        keep_descriptor(lease, answer->fd);
        for (uint32_t i = 0; i < answer->runs; i++) {
            const struct lessee_run *run = &answer->run[i];

            if (run->start < lease->pages && run->count <= lease->pages - run->start)
                pages_add(lease->mapped, run->start, run->count);
        }
        for (unsigned i = 0; i < PAGES_WORDS; i++)
            lease->mapped[i] &= lease->held[i] & ~lease->taken[i];
    }
    pages_remove(lease->taken, question->start, question->count);
    want_again(lease);
}

static void on_answer(struct lessee *lessee, struct lessee_job *job,
                      const struct lessee_answer *answer)
{
    const struct lessee_question *question = &job->question;

    check(question->number <= lessee->number);
    switch (question->kind) {
    case LESSEE_CREATE:
        on_created(lessee, answer);
        break;
    case LESSEE_EXCHANGE:
        on_exchanged(lessee, job, answer);
        break;
    case LESSEE_DEALLOCATE:
        lease_book_left(&lessee->book, job->from, question->start, question->count);
        break;
    case LESSEE_ALLOCATE:
        on_allocated(lessee, question, answer);
        break;
    case LESSEE_MAP:
        on_mapped(job->to, question, answer);
        break;
    case LESSEE_DESTROY:
        break;
    }
}

/* A question less is open about a lease. */
static void lease_answered(struct lease *lease)
{
    if (lease == NULL)
        return;
    look_if_ready(lease);
    end_on(lease);
}

/* What no physmem that keeps the rules says; NULL: it may say that. */
static const char *why_impossible(const struct lessee_job *job, const struct lessee_answer *answer)
{
    check(job->question.number > 0);
    if (answer->error != 0)
        return NULL;
    if (job->question.kind == LESSEE_ALLOCATE && answer->count > job->question.count)
        return "the physmem above says that it gave more frames than it was asked for";
    /* Frames that came to a lease after it was lost were counted as lost. */
    if (job->question.kind == LESSEE_DESTROY && answer->count > 0 && !job->from->lost)
        return "the physmem above says that a container had frames, and it had none";
    return NULL;
}

void lessee_answered(struct lessee *lessee, uint32_t number, const struct lessee_answer *answer)
{
    struct lessee_job *job = take_job(lessee, number);
    struct lease *from = job->from, *to = job->to;
    const char *impossible = why_impossible(job, answer);
    bool is_over;

    check(answer->error == 0 || answer->runs == 0);
    if (impossible != NULL)
        lessee_fail(lessee, impossible);
    is_over = lessee->failed;
    if (!is_over)
        on_answer(lessee, job, answer);
    memory_free(lessee->book.allocator, job, sizeof(*job));
    if (is_over)
        return;
    if (from != NULL)
        from->jobs--;
    if (to != NULL)
        to->jobs--;
    lease_answered(from);
    if (to != from)
        lease_answered(to);
    serve(lessee);
}

/* ---- From the first to the last ---- */

int lessee_init(struct lessee *lessee, const struct allocator *allocator, uint32_t frames,
                uint32_t container, uint32_t held)
{
    check(held <= frames && container != 0);
    *lessee = (struct lessee){.number = 0};
    return lease_book_init(&lessee->book, allocator, frames, container, held);
}

void lessee_fini(struct lessee *lessee)
{
    struct lessee_job *job;

    check(lessee->effect_next <= lessee->effects);
    while ((job = lessee->job) != NULL) {
        lessee->job = job->next;
        memory_free(lessee->book.allocator, job, sizeof(*job));
    }
    memory_free(lessee->book.allocator, lessee->effect,
                lessee->effect_room * sizeof(*lessee->effect));
    lessee->effect = NULL;
    lessee->effects = lessee->effect_next = lessee->effect_room = 0;
    lease_book_fini(&lessee->book);
}

void lessee_start(struct lessee *lessee)
{
    check(lessee->blanks + lessee->blanks_coming == 0);
    make_blanks(lessee);
}

/* ---- What the core wants ---- */

void lessee_ask(struct lessee *lessee, uint32_t frames, bool extra)
{
    ensure(frames > 0 && lessee->pieces == 0);
    while (frames > 0 && !lessee->failed) {
        struct lessee_job *job = job_new(lessee, LESSEE_ALLOCATE, NULL, NULL);
        struct lessee_question *question;

        if (job == NULL)
            return;
        question = &job->question;
        question->count =
            lease_book_run(&lessee->book.holes, least_of(frames, PIECE), &question->start);
        ensure(question->count > 0);
        lease_book_expect(&lessee->book, NULL, question->start, question->count);
        question->container = lessee->book.stock_container;
        question->extra = extra;
        lessee->pieces++;
        frames -= question->count;
        ask(lessee, job);
    }
}

void lessee_return(struct lessee *lessee, uint32_t frames)
{
    uint32_t gone = least_of(frames, lessee->book.gone);

    check(lessee->book.returning == 0 || lessee->book.gone == 0);
    lessee->book.gone -= gone;
    lessee->book.returning += frames - gone;
    serve(lessee);
}

/* ---- Leases ---- */

struct lease *lessee_new(struct lessee *lessee, void *owner, uint32_t pages)
{
    check(lessee->book.leases < LESSEE_LEASES);
    return lease_book_add(&lessee->book, owner, pages);
}

bool lessee_is_ready(const struct lease *lease)
{
    check(lease->pages <= EXTENT_PAGES);
    for (unsigned i = 0; i < PAGES_WORDS; i++)
        if ((lease->used[i] & ~lease->mapped[i]) != 0)
            return false;
    return lease->fd >= 0;
}

void lessee_use(struct lease *lease, uint32_t first, uint32_t count)
{
    ensure(first + count <= lease->pages);
    pages_add(lease->used, first, count);
    lease_book_recount(lease);
    if (lease->lost || lessee_is_ready(lease))
        return;
    lease->unready = true;
    lease_book_want(lease);
    serve(lessee_of(lease));
}

void lessee_soil(struct lease *lease, uint32_t first, uint32_t count)
{
    ensure(first + count <= EXTENT_PAGES);
    pages_remove(lease->used, first, count);
    pages_add(lease->dirty, first, count);
    lease_book_recount(lease);
    look_if_ready(lease);
}

void lessee_clean(struct lease *lease, const uint64_t dirty[PAGES_WORDS])
{
    check(lease->owner != NULL && !lease->destroyed);
    for (unsigned i = 0; i < PAGES_WORDS; i++)
        lease->dirty[i] &= ~dirty[i];
    lease_book_recount(lease);
    serve(lessee_of(lease));
}

/* What was to be said to an owner is not said any more. */
static void forget_owner(struct lessee *lessee, const void *owner)
{
    check(owner != NULL);
    for (uint32_t i = lessee->effect_next; i < lessee->effects; i++) {
        struct lessee_effect *effect = &lessee->effect[i];

        if ((effect->kind == LESSEE_READY || effect->kind == LESSEE_REFUSED) &&
            effect->owner == owner)
            effect->kind = LESSEE_NOTHING;
    }
}

void lessee_end(struct lease *lease)
{
    struct lessee *lessee = lessee_of(lease);

    forget_owner(lessee, lease->owner);
    lease_book_end(lease);
    end_on(lease);
    serve(lessee);
}

/* ---- What the physmem above says by itself ---- */

void *lessee_unmapped(struct lessee *lessee, uint32_t container, const struct lessee_run *run,
                      uint32_t runs)
{
    struct lease *lease = lease_book_find(&lessee->book, container);

    for (uint32_t i = 0; lease != NULL && i < runs; i++)
        if (run[i].start < lease->pages && run[i].count <= lease->pages - run[i].start) {
            pages_remove(lease->mapped, run[i].start, run[i].count);
            pages_add(lease->taken, run[i].start, run[i].count);
        }
    for (unsigned i = 0; lease != NULL && i < PAGES_WORDS; i++)
        lease->taken[i] &= lease->mapping[i];
    check(lease == NULL || lease->book == &lessee->book);
    return lease != NULL ? lease->owner : NULL;
}

/* Frames of the stock that are gone. */
static uint32_t take_stock(struct lessee *lessee, uint32_t container, const struct lessee_run *run,
                           uint32_t runs)
{
    uint32_t taken = 0;

    if (container != lessee->book.stock_container)
        return 0;
    for (uint32_t i = 0; i < runs; i++)
        taken += lease_book_take_stock(&lessee->book, run[i].start, run[i].count);
    check(taken <= lessee->book.stock.bits);
    return taken;
}

void *lessee_repossessed(struct lessee *lessee, uint32_t container, const struct lessee_run *run,
                         uint32_t runs)
{
    struct lease *lease = lease_book_find(&lessee->book, container);
    uint32_t taken =
        lease != NULL ? lease_book_lose(lease) : take_stock(lessee, container, run, runs);

    check(lease == NULL || lease->lost);
    count_taken(lessee, taken);
    return lease != NULL ? lease->owner : NULL;
}

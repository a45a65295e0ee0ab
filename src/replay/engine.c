#include "replay/engine.h"

#include <errno.h>

#include "base/assert.h"
#include "base/error.h"
#include "trace/reserve.h"
#include "trace/trace.h"

enum {
    ENGINE_RESIDENT = 1,
    ENGINE_REFERENCED = 2, /* since the insert, or since the policy asked */
    ENGINE_DIRTY = 4,
};

/* References ahead of which a page's bits are fetched. */
#define PREFETCH_AHEAD 24u

/* The same for what is found by the entry that a page has, which has to be known by then. */
#define PREFETCH_ENTRY 10u

/* page_of[entry + 1] of an entry that is free: no page, and which entry was left before, plus one. */
#define ENTRY_LEFT 0x80000000u

/* page_of[entry + 1] of a ghost has this, too. */
#define ENTRY_GHOST 0x40000000u

/* Pages from which the machine's large pages pay. */
#define LARGE_FROM (64u << 10)

/* Entries of so many pages (4 MiB) do not lie in large pages: the last of them would be empty for the most part. */
#define ENTRIES_SMALL (1u << 20)

static struct engine *engine_of(struct sp_policy_env *env)
{
    return (struct engine *)env;
}

static bool env_referenced(struct sp_policy_env *env, sp_page page)
{
    uint8_t *bits = &engine_of(env)->pages[page];
    bool referenced = (*bits & ENGINE_REFERENCED) != 0;

    *bits &= (uint8_t)~ENGINE_REFERENCED;
    return referenced;
}

/* Every reference is a hit as it is. */
static void env_watch(struct sp_policy_env *env, sp_page page)
{
    (void)env;
    (void)page;
}

static bool env_dirty(struct sp_policy_env *env, sp_page page)
{
    return (engine_of(env)->pages[page] & ENGINE_DIRTY) != 0;
}

static uint32_t env_random(struct sp_policy_env *env, uint32_t bound)
{
    return random_below(&engine_of(env)->random, bound);
}

static void env_random_many(struct sp_policy_env *env, uint32_t bound, uint32_t *numbers,
                            uint32_t count)
{
    random_below_many(&engine_of(env)->random, bound, numbers, count);
}

/* env->time counts the reference that is being made, so that index i has time i + 1. */
static uint64_t env_next_reference(struct sp_policy_env *env, sp_page page)
{
    uint64_t next_plus1 = engine_of(env)->next[page];

    return next_plus1 == 0 ? UINT64_MAX : next_plus1;
}

static uint64_t env_id(struct sp_policy_env *env, sp_page page)
{
    return engine_of(env)->ids[page];
}

/* ---- Pages named by entries ---- */

/* The page of an entry is gone: the entry is the next to be taken. What entry_plus1 says of the page is not touched,
 * since it lies anywhere: page_of says that it is not so any more. */
static void entry_leave(struct engine *engine, uint32_t entry)
{
    engine->page_of[entry + 1] = ENTRY_LEFT | engine->left_plus1;
    engine->left_plus1 = entry + 1;
}

/* An entry that is free. */
static inline uint32_t entry_take(struct engine *engine)
{
    uint32_t entry = engine->pages_seen;

    if (engine->left_plus1 == 0) {
        engine->pages_seen++;
    } else {
        entry = engine->left_plus1 - 1;
        engine->left_plus1 = engine->page_of[entry + 1] & ~ENTRY_LEFT;
    }
    return entry;
}

/* ---- */

static void env_forgotten(struct sp_policy_env *env, sp_page page)
{
    struct engine *engine = engine_of(env);

    /* Of a policy that was loaded it is not known whether it tells the truth. */
    if (__builtin_expect(page >= engine->pages_seen || (engine->page_of[page + 1] &
                                                        (ENTRY_LEFT | ENTRY_GHOST)) != ENTRY_GHOST,
                         0))
        engine->counts.policy_errors++;
    else
        entry_leave(engine, page);
}

void engine_give_ids(struct engine *engine, const uint64_t *ids)
{
    if (ids == NULL || (engine->policy->flags & SP_POLICY_WANTS_IDS) == 0)
        return;
    engine->ids = ids;
    engine->env.id = env_id;
}

int engine_init(struct engine *engine, const struct policy_choice *choice, uint32_t frames,
                uint32_t pages_most, uint64_t seed, bool has_future, struct sp_error *error)
{
    const struct sp_policy *policy = choice->policy;
    bool needs_future = (policy->flags & SP_POLICY_NEEDS_FUTURE) != 0;
    bool wants_future =
        needs_future || ((policy->flags & SP_POLICY_TAKES_FUTURE) != 0 && has_future);

    *engine = (struct engine){.policy = policy,
                              .frames = frames,
                              .free = frames,
                              .pages_most = pages_most,
                              .random = random_seeded(seed),
                              .env = {.referenced = env_referenced,
                                      .watch = env_watch,
                                      .dirty = env_dirty,
                                      .random = env_random,
                                      .random_many = env_random_many,
                                      .sees_all = true}};
    if (frames == 0)
        return error_set(error, EINVAL, "policy '%s' needs at least one frame", policy->name);
    if (needs_future && !has_future)
        return error_set(error, ENOTSUP, "policy '%s' must know the future of the trace",
                         policy->name);
    for (size_t i = 0; i < POLICY_PARAMS_MAX; i++)
        engine->params[i] = choice->params[i];
    engine->config =
        (struct sp_policy_config){.pages = pages_most, .frames = frames, .params = engine->params};
    engine->self_size = policy->size(&engine->config);
    engine->config.env = &engine->env;
    engine->self = reserve(engine->self_size);
    engine->pages = reserve(pages_most);
    engine->tells = (policy->flags & SP_POLICY_TELLS) != 0 && !wants_future &&
                    pages_most >= ENGINE_ENTRIES_FROM && pages_most <= ENTRY_GHOST;
    if (((policy->flags & SP_POLICY_FORGETS) != 0 && !wants_future) || engine->tells) {
        engine->entry_plus1 = reserve(pages_most * sizeof(uint32_t));
        engine->page_of = reserve((pages_most + 1) * sizeof(sp_page));
        engine->turn = policy_registry_turn(policy);
        engine->env.forgotten = engine->tells ? env_forgotten : NULL;
    }
    if (wants_future) {
        engine->next = reserve(pages_most * sizeof(uint64_t));
        engine->env.next_reference = env_next_reference;
    }
    if (engine->self == NULL || engine->pages == NULL || (wants_future && engine->next == NULL) ||
        (engine->entry_plus1 == NULL) != (engine->page_of == NULL))
        return error_set(error, ENOMEM,
                         "policy '%s': no address space for the state of %u pages (%zu bytes)",
                         policy->name, pages_most, engine->self_size);
    if (engine->page_of != NULL)
        engine->page_of[0] = ENTRY_LEFT;
    if (engine->page_of != NULL && engine->tells)
        engine->env.numbers = engine->page_of + 1; /* of ghosts, with more bits */
    if (policy->init != NULL)
        policy->init(engine->self, &engine->config);
    return 0;
}

bool engine_is_optimum(const struct sp_policy *policy)
{
    return policy == &policy_belady;
}

int engine_init_optimum(struct engine *engine, const struct policy_choice *choice, uint32_t frames,
                        uint32_t pages_most, struct sp_error *error)
{
    check(engine_is_optimum(choice->policy));
    *engine = (struct engine){.policy = choice->policy,
                              .frames = frames,
                              .pages_most = pages_most,
                              .counts_optimum = true};
    if (frames == 0)
        return error_set(error, EINVAL, "policy '%s' needs at least one frame",
                         choice->policy->name);
    if (optimum_init(&engine->optimum, frames, pages_most) != 0)
        return error_set(error, ENOMEM, "policy '%s': no address space for the state of %u pages",
                         choice->policy->name, pages_most);
    return 0;
}

/* Add what was counted since the counts were these. */
static void take_optimum(struct engine *engine, const struct optimum_counts *before)
{
    const struct optimum_counts *now = &engine->optimum.counts;

    engine->counts.misses += now->misses - before->misses;
    engine->counts.evictions += now->evictions - before->evictions;
    engine->counts.dirty_evictions += now->dirty_evictions - before->dirty_evictions;
    engine->counts.missed_bytes += now->missed_bytes - before->missed_bytes;
}

void engine_end(struct engine *engine)
{
    struct optimum_counts before = engine->optimum.counts;

    if (!engine->counts_optimum)
        return;
    optimum_end(&engine->optimum);
    take_optimum(engine, &before);
}

void engine_fini(struct engine *engine)
{
    optimum_fini(&engine->optimum);
    reserve_free(engine->self, engine->self_size);
    reserve_free(engine->pages, engine->pages_most);
    reserve_free(engine->next, engine->pages_most * sizeof(uint64_t));
    reserve_free(engine->entry_plus1, engine->pages_most * sizeof(uint32_t));
    reserve_free(engine->page_of, (engine->pages_most + 1) * sizeof(sp_page));
    engine->self = NULL;
    engine->pages = NULL;
    engine->next = NULL;
    engine->entry_plus1 = engine->page_of = NULL;
}

/* Some resident page, for a policy that named none. There is one. */
static sp_page any_resident(struct engine *engine)
{
    while ((engine->pages[engine->cursor] & ENGINE_RESIDENT) == 0)
        engine->cursor = engine->cursor + 1 < engine->pages_seen ? engine->cursor + 1 : 0;
    return engine->cursor;
}

/* The same where pages are named by entries. */
static __attribute__((noinline)) sp_page any_resident_entry(struct engine *engine)
{
    while (engine->page_of[engine->cursor + 1] >= ENTRY_GHOST)
        engine->cursor = engine->cursor + 1 < engine->pages_seen ? engine->cursor + 1 : 0;
    return engine->cursor;
}

static inline void count_eviction(struct engine *engine, uint8_t bits)
{
    engine->counts.evictions++;
    if (bits & ENGINE_DIRTY)
        engine->counts.dirty_evictions++;
}

/* A page leaves, which is returned, for the one that comes, if that is known. The caller gives its bits to another one,
 * or clears them. */
static __attribute__((always_inline)) inline sp_page evict(struct engine *engine, sp_page incoming)
{
    sp_page page = engine->policy->victim(engine->self, incoming);
    uint8_t bits = page < engine->pages_most ? engine->pages[page] : 0;

    if (__builtin_expect((bits & ENGINE_RESIDENT) == 0, 0)) {
        engine->counts.policy_errors++;
        page = any_resident(engine);
        bits = engine->pages[page];
    }
    count_eviction(engine, bits);
    engine->policy->remove(engine->self, page, SP_EVICTED);
    return page;
}

/* A page comes in, by its number or its entry. */
static __attribute__((always_inline)) inline void insert(struct engine *engine, sp_page page,
                                                         bool write)
{
    engine->pages[page] = (uint8_t)(ENGINE_RESIDENT + ENGINE_DIRTY * write);
    engine->policy->insert(engine->self, page, write ? SP_WRITE : SP_READ);
}

/* Apart from its caller, which then has more registers for its loop. */
static __attribute__((noinline)) void miss(struct engine *engine, sp_page page, bool write)
{
    engine->counts.misses++;
    if (engine->free == 0)
        engine->pages[evict(engine, page)] = 0;
    else
        engine->free--;
    if (page >= engine->pages_seen)
        engine->pages_seen = page + 1;
    insert(engine, page, write);
}

/* A page leaves and one takes its frame, which is returned, by one call. The policy is built in, and known to name a
 * resident page. */
static inline uint32_t turn(struct engine *engine, bool write)
{
    uint32_t frame = engine->turn(engine->self);

    ensure(frame < engine->pages_seen);
    count_eviction(engine, engine->pages[frame]);
    engine->pages[frame] = (uint8_t)(ENGINE_RESIDENT + ENGINE_DIRTY * write);
    return frame;
}

/* The same for pages that are named by their frames: the page takes the frame of the one that leaves. `turns`, which the
 * compiler knows: the policy can be asked in one call. */
static __attribute__((always_inline)) inline void miss_frame(struct engine *engine, sp_page page,
                                                             bool write, bool turns)
{
    bool turned = turns && engine->free == 0;
    uint32_t frame;

    engine->counts.misses++;
    if (turned) {
        frame = turn(engine, write);
    } else if (engine->free == 0) {
        frame = evict(engine, SP_NO_PAGE);
    } else {
        engine->free--;
        frame = entry_take(engine);
    }
    engine->page_of[frame + 1] = page;
    engine->entry_plus1[page] = frame + 1;
    if (!turned)
        insert(engine, frame, write);
}

/* The page of an entry leaves, for the ghost whose entry comes, or for SP_NO_PAGE: it is a ghost, unless the policy forgets it
 * at once. */
static __attribute__((always_inline)) inline void evict_entry(struct engine *engine,
                                                              sp_page incoming)
{
    uint32_t entry = engine->policy->victim(engine->self, incoming);

    if (__builtin_expect(entry >= engine->pages_seen || engine->page_of[entry + 1] >= ENTRY_GHOST,
                         0)) {
        engine->counts.policy_errors++;
        entry = any_resident_entry(engine);
    }
    count_eviction(engine, engine->pages[entry]);
    engine->page_of[entry + 1] |= ENTRY_GHOST;
    engine->policy->remove(engine->self, entry, SP_EVICTED);
}

/* The same with a policy that tells which pages it has forgotten: the page may have an entry, as a ghost, which is
 * perhaps forgotten when another page leaves. */
static __attribute__((noinline)) void miss_entry(struct engine *engine, sp_page page, bool write)
{
    uint32_t plus1 = engine->entry_plus1[page];

    engine->counts.misses++;
    if (engine->page_of[plus1] != (page | ENTRY_GHOST))
        plus1 = 0;
    if (engine->free == 0) {
        evict_entry(engine, plus1 - 1); /* SP_NO_PAGE if there is none */
        if (plus1 != 0 && engine->page_of[plus1] != (page | ENTRY_GHOST))
            plus1 = 0;
    } else {
        engine->free--;
    }
    if (plus1 == 0) {
        plus1 = entry_take(engine) + 1;
        engine->entry_plus1[page] = plus1;
    }
    engine->page_of[plus1] = page;
    engine->pages[plus1 - 1] = (uint8_t)(ENGINE_RESIDENT + ENGINE_DIRTY * write);
    engine->policy->insert(engine->self, plus1 - 1, write ? SP_WRITE : SP_READ);
}

/* Many pages: what is touched from now on comes in large pages. */
static void use_large_pages(struct engine *engine)
{
    engine->large_pages = true;
    if (engine->entry_plus1 != NULL) { /* of the rest, little will be touched */
        if (engine->pages_most > ENTRIES_SMALL)
            reserve_large_pages(engine->entry_plus1 + ENTRIES_SMALL,
                                (engine->pages_most - ENTRIES_SMALL) * sizeof(uint32_t));
        return;
    }
    reserve_large_pages(engine->self, engine->self_size);
    reserve_large_pages(engine->pages, engine->pages_most);
    if (engine->next != NULL)
        reserve_large_pages(engine->next, engine->pages_most * sizeof(uint64_t));
}

static uint64_t count_writes(const uint32_t *references, size_t count)
{
    uint64_t writes = 0;

    for (size_t i = 0; i < count; i++)
        writes += references[i] & 1;
    return writes;
}

/* A reference, and where the future is known, the time of the next one to the page, or 0. Returns whether it missed. */
static __attribute__((always_inline)) inline bool refer(struct engine *engine, uint8_t *pages,
                                                        uint32_t reference, const uint64_t *next)
{
    sp_page page = reference >> 1;
    bool write = reference & 1;
    uint8_t bits = pages[page];

    engine->env.time++;
    if (next != NULL)
        engine->next[page] = *next == TRACE_NEVER ? 0 : *next + 1;
    if (bits & ENGINE_RESIDENT) {
        uint8_t now = (uint8_t)(bits | ENGINE_REFERENCED | ENGINE_DIRTY * write);

        if (now != bits)
            pages[page] = now;
        if (engine->policy->hit != NULL)
            engine->policy->hit(engine->self, page, write ? SP_WRITE : SP_READ);
        return false;
    }
    miss(engine, page, write);
    return true;
}

/* What engine_run does, with or without a future: what does not change is kept out of the loop, and
 * what references that come soon will need is fetched (a prefetch of any address is harmless). */
static inline void run(struct engine *engine, const uint32_t *references, const uint64_t *next,
                       size_t count)
{
    const uint8_t *state = (const uint8_t *)engine->self + engine->policy->pages_at;
    size_t state_bytes = engine->policy->page_bytes;
    size_t ahead = count > PREFETCH_AHEAD ? count - PREFETCH_AHEAD : 0;
    const uint32_t *sizes = engine->sizes;
    uint8_t *pages = engine->pages;

    engine->counts.references += count;
    engine->counts.writes += count_writes(references, count);
    for (size_t i = 0; i < count; i++) {
        if (i < ahead) {
            sp_page soon = references[i + PREFETCH_AHEAD] >> 1;

            __builtin_prefetch(&pages[soon]);
            __builtin_prefetch(state + soon * state_bytes);
        }
        if (refer(engine, pages, references[i], next != NULL ? &next[i] : NULL) && sizes != NULL)
            engine->counts.missed_bytes += sizes[i];
    }
}

/* How pages are named, and how they leave. */
enum naming {
    BY_FRAME, /* the policy forgets what leaves */
    BY_TURN,  /* the same, and it is asked by one call */
    BY_ENTRY, /* it tells what it forgets */
};

/* The same with pages that are named by entries: what the policy notes, and the bits, lie as close together as resident
 * pages and ghosts are many, and only the entry of a page has to be found. A policy that is not told of hits has nothing
 * to be fetched for them, and does not see the time between two misses. */
static inline void run_entries(struct engine *engine, const uint32_t *references, size_t count,
                               void (*hit)(void *, sp_page, enum sp_access), enum naming naming)
{
    size_t state_bytes = engine->policy->page_bytes;
    const uint8_t *state =
        (const uint8_t *)engine->self + engine->policy->pages_at - state_bytes; /* of entry + 1 */
    const uint32_t *entry_plus1 = engine->entry_plus1;
    const sp_page *page_of = engine->page_of;
    const uint32_t *sizes = engine->sizes;
    uint8_t *bits = engine->pages;
    void *self = engine->self;
    uint64_t writes = 0, before = engine->env.time;

    for (size_t i = 0; i < count; i++) {
        sp_page page = references[i] >> 1;
        bool write = references[i] & 1;
        uint32_t plus1 = entry_plus1[page];

        if (i + PREFETCH_AHEAD < count) {
            size_t soon = entry_plus1[references[i + PREFETCH_ENTRY] >> 1];

            __builtin_prefetch(&entry_plus1[references[i + PREFETCH_AHEAD] >> 1]);
            __builtin_prefetch(&page_of[soon]);
            if (hit != NULL)
                __builtin_prefetch(state + soon * state_bytes);
        }
        if (hit != NULL)
            engine->env.time++;
        writes += write;
        if (page_of[plus1] == page) {
            uint32_t entry = plus1 - 1;
            uint8_t now = bits[entry] | ENGINE_REFERENCED | (write ? ENGINE_DIRTY : 0);

            if (now != bits[entry])
                bits[entry] = now;
            if (hit != NULL)
                hit(self, entry, write ? SP_WRITE : SP_READ);
        } else {
            if (hit == NULL)
                engine->env.time = before + i + 1;
            if (naming == BY_ENTRY)
                miss_entry(engine, page, write);
            else
                miss_frame(engine, page, write, naming == BY_TURN);
            if (sizes != NULL)
                engine->counts.missed_bytes += sizes[i];
        }
    }
    engine->env.time = before + count;
    engine->counts.references += count;
    engine->counts.writes += writes;
}

static void run_by_entry(struct engine *engine, const uint32_t *references, size_t count)
{
    void (*hit)(void *, sp_page, enum sp_access) = engine->policy->hit;

    if (engine->tells && hit != NULL)
        run_entries(engine, references, count, hit, BY_ENTRY);
    else if (engine->tells)
        run_entries(engine, references, count, NULL, BY_ENTRY);
    else if (hit != NULL && engine->turn != NULL)
        run_entries(engine, references, count, hit, BY_TURN);
    else if (hit != NULL)
        run_entries(engine, references, count, hit, BY_FRAME);
    else if (engine->turn != NULL)
        run_entries(engine, references, count, NULL, BY_TURN);
    else
        run_entries(engine, references, count, NULL, BY_FRAME);
}

static void run_optimum(struct engine *engine, const uint32_t *references, size_t count)
{
    struct optimum_counts before = engine->optimum.counts;

    engine->counts.references += count;
    engine->counts.writes += count_writes(references, count);
    optimum_run(&engine->optimum, references, engine->sizes, count);
    take_optimum(engine, &before);
}

void engine_run(struct engine *engine, const uint32_t *references, const uint64_t *next,
                size_t count)
{
    uint64_t touched = engine->entry_plus1 != NULL ? engine->counts.misses : engine->pages_seen;

    if (!engine->large_pages && touched > LARGE_FROM && !engine->counts_optimum)
        use_large_pages(engine);
    if (engine->counts_optimum)
        run_optimum(engine, references, count);
    else if (engine->entry_plus1 != NULL)
        run_by_entry(engine, references, count);
    else if (engine->next != NULL)
        run(engine, references, next, count);
    else
        run(engine, references, NULL, count);
}

void engine_resize(struct engine *engine, uint32_t frames)
{
    uint32_t resident = engine->frames - engine->free;

    for (; resident > frames; resident--) {
        sp_page page;

        if (engine->tells) {
            evict_entry(engine, SP_NO_PAGE);
            continue;
        }
        page = evict(engine, SP_NO_PAGE);
        engine->pages[page] = 0;
        if (engine->entry_plus1 != NULL)
            entry_leave(engine, page);
    }
    engine->frames = frames;
    engine->free = frames - resident;
    if (engine->policy->resize != NULL)
        engine->policy->resize(engine->self, frames);
}

double engine_bytes_per_page(const struct engine *engine)
{
    return (double)engine->self_size / engine->pages_most + 1 + (engine->next != NULL ? 8 : 0) +
           (engine->entry_plus1 != NULL ? 8 : 0);
}

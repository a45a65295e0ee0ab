#include "workload/walk.h"

#include <errno.h>

#include "base/assert.h"
#include "base/memory.h"

/* Purposes of random streams. */
enum { STREAM_PAGES = 1, STREAM_WRITES = 2 };

int walk_tables_init(struct walk_tables *tables, const struct workload *workload,
                     const struct allocator *allocator)
{
    *tables = (struct walk_tables){.allocator = allocator, .workload = *workload};
    for (uint32_t i = 0; i < workload->phases; i++) {
        const struct workload_phase *phase = &workload->phase[i];

        if (phase->pattern != WORKLOAD_ZIPF)
            continue;
        tables->zipf[i] = memory_new(allocator, sizeof(*tables->zipf[i]));
        if (tables->zipf[i] == NULL)
            return -ENOMEM;
        popularity_init(tables->zipf[i], phase->pages, phase->exponent);
    }
    return 0;
}

void walk_tables_fini(struct walk_tables *tables)
{
    for (uint32_t i = 0; i < WORKLOAD_PHASES_MAX; i++) {
        memory_free(tables->allocator, tables->zipf[i], sizeof(*tables->zipf[i]));
        tables->zipf[i] = NULL;
        memory_free(tables->allocator, tables->trace[i].steps,
                    tables->trace[i].room * sizeof(*tables->trace[i].steps));
        tables->trace[i] = (struct walk_trace){NULL};
    }
}

static void begin_phase(struct workload_walk *walk)
{
    const struct workload_phase *phase = &walk->tables->workload.phase[walk->phase];

    walk->made = 0;
    walk->burst = phase->burst;
    walk->at = 0;
    if (phase->pattern == WORKLOAD_MARKOV)
        walk->at = random_below(&walk->pages, phase->pages - phase->set + 1);
}

void walk_init(struct workload_walk *walk, const struct walk_tables *tables, uint64_t seed)
{
    *walk = (struct workload_walk){.tables = tables,
                                   .pages = random_stream(seed, STREAM_PAGES),
                                   .writes = random_stream(seed, STREAM_WRITES)};
    check(tables->workload.phases > 0);
    begin_phase(walk);
}

/* The step of the trace that is due. */
static inline uint32_t trace_step(const struct workload_walk *walk)
{
    const struct walk_trace *trace = &walk->tables->trace[walk->phase];

    return trace->steps[walk->made % trace->count];
}

/* The page of the next reference, counted from the phase's first. */
static inline uint32_t next_page(struct workload_walk *walk, const struct workload_phase *phase)
{
    uint32_t page = walk->at;

    switch ((enum workload_pattern)phase->pattern) {
    case WORKLOAD_ZIPF:
        return popularity_item(walk->tables->zipf[walk->phase], &walk->pages);
    case WORKLOAD_SCAN:
        walk->at = (uint32_t)(((uint64_t)page + phase->stride) % phase->pages);
        return page;
    case WORKLOAD_LOOP:
        walk->at = page + 1 < phase->set ? page + 1 : 0;
        return page;
    case WORKLOAD_MARKOV:
        if (random_below(&walk->pages, phase->stay) == 0)
            walk->at = random_below(&walk->pages, phase->pages - phase->set + 1);
        return walk->at + random_below(&walk->pages, phase->set);
    case WORKLOAD_TRACE:
        return trace_step(walk) >> 1;
    case WORKLOAD_IDLE:
    case WORKLOAD_FILE:
    case WORKLOAD_PATTERNS:
        break;
    }
    ensure(!"a phase without references has no page");
    return 0;
}

/* The phase is over: the next one begins. */
static void end_phase(struct workload_walk *walk)
{
    walk->phase++;
    if (walk->phase == walk->tables->workload.phases) {
        walk->phase = 0;
        walk->round++;
    }
    if (walk->round < walk->tables->workload.rounds)
        begin_phase(walk);
}

/* Reads from the beginning of its file to its end. */
static inline uint64_t chunks_of(const struct workload_walk *walk)
{
    uint64_t bytes = walk->tables->file_bytes[walk->phase];

    return bytes > 0 ? (bytes - 1) / WORKLOAD_READ_BYTES + 1 : 1;
}

static uint64_t references_of(const struct workload_walk *walk, const struct workload_phase *phase)
{
    if (phase->references > 0)
        return phase->references;
    return phase->pattern == WORKLOAD_FILE ? chunks_of(walk)
                                           : walk->tables->trace[walk->phase].count;
}

static inline bool is_write(struct workload_walk *walk, const struct workload_phase *phase)
{
    return phase->writes > 0 && random_below(&walk->writes, 1000000) < phase->writes;
}

static void refer(struct workload_walk *walk, const struct workload_phase *phase,
                  struct walk_step *step)
{
    if (phase->pattern == WORKLOAD_FILE) {
        *step = (struct walk_step){.page = WALK_READ,
                                   .phase = (uint8_t)walk->phase,
                                   .chunk = (uint32_t)(walk->made % chunks_of(walk))};
    } else {
        step->page = phase->first + next_page(walk, phase);
    }
    step->write = is_write(walk, phase);
    if (phase->pattern == WORKLOAD_TRACE)
        step->write = step->write || (trace_step(walk) & 1) != 0;
    step->pause_ns = phase->think_ns;
    if (phase->burst > 0 && --walk->burst == 0) {
        walk->burst = phase->burst;
        step->pause_ns += phase->pause_ns;
    }
}

bool walk_next(struct workload_walk *walk, struct walk_step *step)
{
    const struct workload *workload = &walk->tables->workload;
    const struct workload_phase *phase = &workload->phase[walk->phase];

    if (walk->round >= workload->rounds)
        return false;
    if (phase->pattern == WORKLOAD_IDLE ||
        (phase->pattern == WORKLOAD_TRACE && walk->tables->trace[walk->phase].count == 0)) {
        *step = (struct walk_step){.page = WALK_NOTHING, .pause_ns = phase->pause_ns};
        end_phase(walk);
        return true;
    }
    refer(walk, phase, step);
    if (++walk->made == references_of(walk, phase))
        end_phase(walk);
    return true;
}

/* References by popularity, and no pauses but one after each: most steps of large plays. Returns how many of `most` the phase
 * has left. */
static uint32_t refer_often(struct workload_walk *walk, const struct workload_phase *phase,
                            struct walk_step *steps, uint32_t most)
{
    const struct popularity *popularity = walk->tables->zipf[walk->phase];
    uint64_t left = phase->references - walk->made;
    uint32_t count = most < left ? most : (uint32_t)left;
    struct random_source pages = walk->pages;

    check(phase->burst == 0 && left > 0);
    for (uint32_t i = 0; i < count; i++) {
        steps[i].page = phase->first + popularity_item(popularity, &pages);
        steps[i].pause_ns = phase->think_ns;
    }
    walk->pages = pages;
    for (uint32_t i = 0; i < count; i++)
        steps[i].write = is_write(walk, phase);
    walk->made += count;
    if (walk->made == phase->references)
        end_phase(walk);
    return count;
}

uint32_t walk_take(struct workload_walk *walk, struct walk_step *steps, uint32_t count)
{
    const struct workload *workload = &walk->tables->workload;
    uint32_t taken = 0;

    while (taken < count && walk->round < workload->rounds) {
        const struct workload_phase *phase = &workload->phase[walk->phase];

        if (phase->pattern == WORKLOAD_ZIPF && phase->burst == 0)
            taken += refer_often(walk, phase, steps + taken, count - taken);
        else
            taken += walk_next(walk, steps + taken);
    }
    return taken;
}

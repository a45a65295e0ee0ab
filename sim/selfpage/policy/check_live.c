#include "selfpage/policy/check_live.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "generator/mix.h"
#include "rehearsal/rehearsal.h"
#include "replay/engine.h"
#include "trace/page_table.h"
#include "trace/trace.h"

#define REFERENCES 40960u /* a multiple of TRACE_BATCH */
#define PAGES_MOST REFERENCES
#define FRAMES     256u
#define PARTS_MOST 3u

static const struct {
    const char *what;
    const char *parts[PARTS_MOST];
} traces[CHECK_LIVE_TRACES] = {
    {"zipf", {"zipf:pages=4000,exponent=0.9"}},
    {"loops and scans",
     {"zipf:pages=200,weight=6,burst=600", "loop:pages=600,weight=3,burst=600", "scan:burst=600"}},
    {"phases", {"phases:pages=800,length=4000"}},
};

/* ---- The trace ---- */

struct drawn {
    sp_page *pages;       /* by reference */
    uint32_t *references; /* the same, as engines take them */
    uint32_t different;
};

static int number(struct mix *mix, struct page_table *table, uint32_t *references)
{
    for (size_t at = 0; at < REFERENCES; at += TRACE_BATCH) {
        struct trace_reference batch[TRACE_BATCH];
        int result;

        for (size_t i = 0; i < TRACE_BATCH; i++)
            batch[i] = (struct trace_reference){.id = mix_next(mix).page, .next = TRACE_NEVER};
        result = page_table_look_up(table, batch, TRACE_BATCH, references + at);
        if (result != 0)
            return result;
    }
    return 0;
}

static int draw(struct drawn *drawn, size_t which, uint64_t seed, struct sp_error *error)
{
    struct page_table table;
    struct mix *mix = malloc(sizeof(*mix));
    size_t count = 0;
    int result = page_table_init(&table, PAGES_MOST);

    *drawn = (struct drawn){.pages = calloc(REFERENCES, sizeof(*drawn->pages)),
                            .references = calloc(REFERENCES, sizeof(*drawn->references))};
    while (count < PARTS_MOST && traces[which].parts[count] != NULL)
        count++;
    if (result != 0 || mix == NULL || drawn->pages == NULL || drawn->references == NULL)
        result = error_set(error, ENOMEM, "no memory for a trace");
    if (result == 0)
        result = mix_init(mix, traces[which].parts, count, seed, error);
    if (result == 0 && number(mix, &table, drawn->references) != 0)
        result = error_set(error, ENOMEM, "no memory for a trace");
    for (size_t i = 0; result == 0 && i < REFERENCES; i++)
        drawn->pages[i] = drawn->references[i] >> 1;
    drawn->different = table.count;
    page_table_fini(&table);
    free(mix);
    return result;
}

static void drawn_fini(struct drawn *drawn)
{
    free(drawn->pages);
    free(drawn->references);
}

/* ---- Both forms ---- */

static int replay(const struct policy_choice *choice, const struct drawn *drawn, uint32_t frames,
                  uint64_t *misses, struct sp_error *error)
{
    struct engine engine;
    int result = engine_init(&engine, choice, frames, PAGES_MOST, 1, false, error);

    if (result == 0)
        engine_run(&engine, drawn->references, NULL, REFERENCES);
    *misses = engine.counts.misses;
    engine_fini(&engine);
    return result;
}

static int measure(const struct policy_choice *choice, const struct drawn *drawn,
                   struct check_distance *distance, struct sp_error *error)
{
    struct rehearsal_counts live;
    uint64_t misses = 0;
    int result = rehearsal_run(choice, drawn->pages, REFERENCES, drawn->different, FRAMES,
                               REHEARSAL_SIGNALS, &live, error);

    if (result == 0)
        result = replay(choice, drawn, live.resident, &misses, error);
    distance->frames = live.resident;
    distance->misses = 100.0 * (double)misses / REFERENCES;
    distance->faults = 100.0 * (double)live.faults / REFERENCES;
    distance->soft_faults = 100.0 * (double)live.soft_faults / REFERENCES;
    return result;
}

int check_live_measure(const struct policy_choice *choice, uint64_t seed,
                       struct check_distance distances[CHECK_LIVE_TRACES], struct sp_error *error)
{
    int result = 0;

    for (size_t i = 0; i < CHECK_LIVE_TRACES && result == 0; i++) {
        struct drawn drawn;

        distances[i] = (struct check_distance){.trace = traces[i].what};
        result = draw(&drawn, i, seed, error);
        if (result == 0)
            result = measure(choice, &drawn, &distances[i], error);
        drawn_fini(&drawn);
    }
    return result;
}

const struct check_distance *
check_live_farthest(const struct check_distance distances[CHECK_LIVE_TRACES])
{
    const struct check_distance *farthest = &distances[0];

    for (size_t i = 1; i < CHECK_LIVE_TRACES; i++)
        if (fabs(distances[i].faults - distances[i].misses) >
            fabs(farthest->faults - farthest->misses))
            farthest = &distances[i];
    return farthest;
}

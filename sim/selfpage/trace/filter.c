#include "selfpage/trace/filter.h"

#include <errno.h>

#include "base/assert.h"
#include "base/error.h"

#define PAGES_MOST (1u << 27)
#define SEED       1 /* of policies that draw */

static int begin(struct filter *filter, struct sp_error *error)
{
    int result = page_table_init(&filter->table, PAGES_MOST);

    if (result != 0)
        return error_set(error, ENOMEM, "no memory for the pages of a filter");
    filter->begun = true;
    return engine_init(&filter->engine, &filter->policy.choice, filter->frames, PAGES_MOST, SEED,
                       false, error);
}

static void end(struct filter *filter)
{
    if (!filter->begun)
        return;
    engine_fini(&filter->engine);
    page_table_fini(&filter->table);
    filter->begun = false;
}

int filter_init(struct filter *filter, const char *policy, uint32_t frames, struct sp_error *error)
{
    int result;

    *filter = (struct filter){.frames = frames};
    result = load_policy(&filter->policy, policy, error);
    return result == 0 ? begin(filter, error) : result;
}

void filter_fini(struct filter *filter)
{
    end(filter);
    load_policy_end(&filter->policy);
}

int filter_rewind(struct filter *filter, struct sp_error *error)
{
    end(filter);
    return begin(filter, error);
}

ssize_t filter_run(struct filter *filter, struct trace_reference *references, size_t count,
                   struct sp_error *error)
{
    uint32_t pages[TRACE_BATCH];
    ssize_t kept = 0;
    int result;

    check(filter->begun && count <= TRACE_BATCH);
    result = page_table_look_up(&filter->table, references, count, pages);
    if (result != 0)
        return error_set(error, -result, "filter: %s",
                         result == -ENOSPC ? "too many different ids" : "no memory");
    for (size_t i = 0; i < count; i++) {
        uint64_t before = filter->engine.counts.misses;

        engine_run(&filter->engine, &pages[i], NULL, 1);
        if (filter->engine.counts.misses != before)
            references[kept++] = references[i];
    }
    return kept;
}

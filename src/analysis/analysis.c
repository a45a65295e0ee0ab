#include "analysis/analysis.h"

#include <errno.h>

#include "base/assert.h"
#include "base/error.h"
#include "trace/reserve.h"

int analysis_init(struct analysis *analysis, uint32_t pages_most, struct sp_error *error)
{
    *analysis = (struct analysis){.pages_most = pages_most};
    windows_init(&analysis->windows);
    analysis->page = reserve(pages_most * sizeof(*analysis->page));
    if (analysis->page == NULL || page_table_init(&analysis->table, pages_most) != 0 ||
        page_table_keep_ids(&analysis->table) != 0 ||
        stack_distance_init(&analysis->distances, pages_most) != 0 ||
        hot_init(&analysis->hot, pages_most) != 0)
        return error_set(error, ENOMEM, "no memory to analyse up to %u pages", pages_most);
    return 0;
}

void analysis_fini(struct analysis *analysis)
{
    reserve_free(analysis->page, analysis->pages_most * sizeof(*analysis->page));
    page_table_fini(&analysis->table);
    stack_distance_fini(&analysis->distances);
    hot_fini(&analysis->hot);
    popular_fini(&analysis->popular);
    analysis->page = NULL;
}

static void note_size(struct analysis *analysis, uint32_t size)
{
    if (size == 0)
        return;
    analysis->bytes += size;
    if (size > analysis->largest)
        analysis->largest = size;
    if (analysis->smallest == 0 || size < analysis->smallest)
        analysis->smallest = size;
}

/* Keep the reference that comes now if it is one of those that stand for all; once they are too many,
 * every other one goes. */
static void sample(struct analysis *analysis, uint32_t page)
{
    uint64_t now = analysis->references;

    if ((now & ((UINT64_C(1) << analysis->sample_shift) - 1)) != 0)
        return;
    if (analysis->sample_count == ANALYSIS_SAMPLES) {
        for (uint32_t i = 0; i < ANALYSIS_SAMPLES / 2; i++)
            analysis->samples[i] = analysis->samples[2 * i];
        analysis->sample_count /= 2;
        analysis->sample_shift++;
    }
    check(now >> analysis->sample_shift == analysis->sample_count);
    analysis->samples[analysis->sample_count++] = page;
}

static void add(struct analysis *analysis, const struct trace_reference *reference, uint32_t page)
{
    struct analysis_page *known = &analysis->page[page];
    uint64_t now = analysis->references;
    uint64_t ago = known->last_plus1 > 0 ? now - (known->last_plus1 - 1) : 0;

    if (ago > 0)
        analysis->reuse[63 - __builtin_clzll(ago)]++;
    windows_add(&analysis->windows, known->last_plus1, reference->write);
    patterns_add(&analysis->patterns, reference->id, ago);
    sample(analysis, page);
    note_size(analysis, reference->size);
    known->last_plus1 = now + 1;
    known->count += known->count < UINT32_MAX;
    analysis->writes += reference->write;
    if (reference->write && known->written == 0) {
        known->written = 1;
        analysis->pages_written++;
    }
    analysis->references++;
}

int analysis_add(struct analysis *analysis, const struct trace_reference *references, size_t count,
                 struct sp_error *error)
{
    uint32_t dense[TRACE_BATCH];
    int result;

    ensure(count <= TRACE_BATCH);
    result = page_table_look_up(&analysis->table, references, count, dense);
    if (result != 0)
        return error_set(error, -result,
                         result == -ENOSPC ? "more than %u different pages (see --max-pages)"
                                           : "no memory for a table of more than %u pages",
                         analysis->table.count);
    stack_distance_run(&analysis->distances, dense, count);
    if (analysis->distances.failed != 0)
        return error_set(error, ENOMEM, "no memory for stack distances");
    for (size_t i = 0; i < count; i++)
        __builtin_prefetch(&analysis->page[dense[i] >> 1]);
    for (size_t i = 0; i < count; i++)
        add(analysis, &references[i], dense[i] >> 1);
    for (size_t i = 0; analysis->touched != NULL && i < count; i++)
        hot_add(&analysis->hot, dense[i] >> 1, analysis->touched[i]);
    return 0;
}

int analysis_end(struct analysis *analysis, struct sp_error *error)
{
    patterns_end(&analysis->patterns);
    check(analysis->distances.references == analysis->references);
    if (popular_find(&analysis->popular, &analysis->page->count,
                     sizeof(struct analysis_page) / sizeof(uint32_t), analysis->table.count) != 0)
        return error_set(error, ENOMEM, "no memory to sort %u pages", analysis->table.count);
    return 0;
}

double analysis_lru(const struct analysis *analysis, uint32_t frames)
{
    uint64_t misses = analysis->references;

    for (uint32_t i = 0; i < frames && i < analysis->table.count; i++)
        misses -= analysis->distances.hits[i];
    return misses > 0 ? (double)misses / (double)analysis->references : 0;
}

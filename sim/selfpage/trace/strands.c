#include "selfpage/trace/strands.h"

#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "trace/mix.h"

#define ID_BITS 48u

/* One of the traces. */
struct strand {
    struct trace trace;
    struct trace_reference batch[TRACE_BATCH];
    uint64_t times[TRACE_BATCH]; /* of the batch */
    size_t at, count;            /* in the batch */
    uint64_t taken;              /* references */
    uint64_t all;                /* TOGETHER: there are */
    bool opened, ended;
};

/* ---- Opening ---- */

static int count_references(struct strand *strand, struct sp_error *error)
{
    ssize_t count;

    while ((count = trace_read(&strand->trace, strand->batch, TRACE_BATCH, error)) > 0)
        strand->all += (uint64_t)count;
    return count < 0 ? (int)count : trace_rewind(&strand->trace, error);
}

static int open_one(struct strands *strands, struct strand *strand, const char *path,
                    const struct trace_options *options, struct sp_error *error)
{
    int result = trace_open(&strand->trace, path, options, error);

    strand->opened = true;
    if (result != 0)
        return result;
    if (strands->rule == STRANDS_TIME && !strand->trace.carries_times)
        return error_set(
            error, EINVAL,
            "%.150s: there are no times in this trace, or none that are read: --by time "
            "takes oracleGeneral, vscsi and twr",
            path);
    if (strands->rule == STRANDS_TIME)
        strand->trace.times = strand->times;
    return strands->rule == STRANDS_TOGETHER ? count_references(strand, error) : 0;
}

int strands_open(struct strands *strands, char *const *paths, size_t count,
                 const struct trace_options *options, struct sp_error *error)
{
    ensure(count > 0 && count <= STRANDS_MOST);
    strands->strands = calloc(count, sizeof(*strands->strands));
    if (strands->strands == NULL)
        return error_set(error, ENOMEM, "no memory for %zu traces", count);
    strands->room = count;
    for (; strands->count < count; strands->count++) {
        int result = open_one(strands, &strands->strands[strands->count], paths[strands->count],
                              options, error);

        if (result != 0)
            return result;
    }
    strands->left = strands->run;
    return 0;
}

void strands_fini(struct strands *strands)
{
    for (size_t i = 0; i < strands->room; i++)
        if (strands->strands[i].opened)
            trace_fini(&strands->strands[i].trace);
    free(strands->strands);
    strands->strands = NULL;
    strands->room = 0;
}

struct trace *strands_first(struct strands *strands)
{
    return &strands->strands[0].trace;
}

bool strands_rereadable(const struct strands *strands)
{
    for (size_t i = 0; i < strands->count; i++)
        if (!strands->strands[i].trace.source.seekable)
            return false;
    return true;
}

/* ---- Reading ---- */

/* Have a reference at the head of a trace, or its end. */
static int fill(struct strand *strand, struct sp_error *error)
{
    uint64_t before = strand->count > 0 ? strand->times[strand->count - 1] : 0;
    ssize_t count;

    if (strand->at < strand->count || strand->ended)
        return 0;
    count = trace_read(&strand->trace, strand->batch, TRACE_BATCH, error);
    strand->at = 0;
    strand->count = count > 0 ? (size_t)count : 0;
    strand->ended = count <= 0;
    for (size_t i = 0; strand->trace.times != NULL && i < strand->count; i++) {
        if (strand->times[i] < before)
            return error_set(error, EILSEQ, "%s: reference %llu is earlier than the one before",
                             strand->trace.source.name, (unsigned long long)strand->taken + i + 1);
        before = strand->times[i];
    }
    return count < 0 ? (int)count : 0;
}

/* How far a trace is; of those that are equally far, the first has its turn. */
static bool is_behind(const struct strands *strands, const struct strand *one,
                      const struct strand *other)
{
    if (strands->rule == STRANDS_TIME)
        return one->times[one->at] < other->times[other->at];
    return (double)one->taken / (double)one->all < (double)other->taken / (double)other->all;
}

static size_t find_behind(const struct strands *strands)
{
    size_t found = strands->count;

    for (size_t i = 0; i < strands->count; i++)
        if (!strands->strands[i].ended &&
            (found == strands->count ||
             is_behind(strands, &strands->strands[i], &strands->strands[found])))
            found = i;
    return found;
}

/* The trace whose turn it is; `count` if all have ended. */
static size_t find_turn(struct strands *strands)
{
    size_t tried = 0;

    while (tried <= strands->count &&
           (strands->left == 0 || strands->strands[strands->turn].ended)) {
        strands->turn = (strands->turn + 1) % strands->count;
        strands->left = strands->run;
        tried++;
    }
    if (tried > strands->count)
        return strands->count;
    strands->left--;
    return strands->turn;
}

uint64_t strands_id(uint64_t strand, uint64_t id)
{
    if (id >> ID_BITS != 0)
        id = trace_mix(id) >> (64 - ID_BITS);
    return strand << ID_BITS | id;
}

ssize_t strands_read(void *context, struct trace_reference *references, size_t most,
                     struct sp_error *error)
{
    struct strands *strands = context;
    size_t count = 0;

    for (size_t i = 0; i < strands->count; i++) {
        int result = fill(&strands->strands[i], error);

        if (result != 0)
            return result;
    }
    while (count < most) {
        size_t i = strands->rule == STRANDS_TURNS ? find_turn(strands) : find_behind(strands);
        struct strand *strand = &strands->strands[i];
        int result;

        if (i == strands->count)
            break;
        references[count] = strand->batch[strand->at++];
        if (!strands->shared)
            references[count].id = strands_id(i, references[count].id);
        references[count].next = TRACE_NEVER;
        count++;
        strand->taken++;
        result = fill(strand, error);
        if (result != 0)
            return result;
    }
    return (ssize_t)count;
}

int strands_rewind(void *context, struct sp_error *error)
{
    struct strands *strands = context;

    strands->turn = 0;
    strands->left = strands->run;
    for (size_t i = 0; i < strands->count; i++) {
        struct strand *strand = &strands->strands[i];
        int result = trace_rewind(&strand->trace, error);

        if (result != 0)
            return result;
        strand->at = strand->count = 0;
        strand->taken = 0;
        strand->ended = false;
    }
    return 0;
}

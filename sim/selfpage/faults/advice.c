#include "selfpage/faults/advice.h"

#include <string.h>

#include "base/assert.h"

/* Fewer events are no pattern. */
#define LEAST 16u

/* Pages that a hint has loaded ahead. */
#define AHEAD 15u

bool advice_ahead(const struct faults_line *line, uint32_t *pages, int32_t *stride)
{
    const struct fault_site *sum = &line->sum;

    if (sum->hint_pages > 0) { /* what was said before stays true */
        *pages = sum->hint_pages;
        *stride = sum->hint_stride;
        return line->object != NULL && sum->hint_stride != 0;
    }
    *pages = AHEAD;
    *stride = sum->stride;
    return line->object != NULL && sum->stride != 0 && sum->loads >= LEAST &&
           2 * sum->strides >= sum->loads && sum->ahead < sum->loads;
}

bool advice_discard(const struct fault_row *row)
{
    return row->tally.stored >= LEAST && row->tally.loaded < row->tally.stored / 8;
}

size_t advice_hints(FILE *out, const struct faults_lines *lines)
{
    size_t count = 0;

    fprintf(out, "# SELFPAGE_HINTS for this build of %s: ahead PAGES STRIDE FILE+OFFSET\n",
            lines->table->task);
    for (size_t i = 0; i < lines->count; i++) {
        const struct faults_line *line = &lines->line[i];
        const struct fault_object *object = line->object;
        char name[LINES_NAME_MAX];
        uint32_t pages;
        int32_t stride;

        if (!advice_ahead(line, &pages, &stride))
            continue;
        check(object != NULL);
        lines_name(lines, &line->place, line->sum.code, name);
        fprintf(out, "# %s: %llu pages came from swap one by one\n", name,
                (unsigned long long)line->sum.loads);
        fprintf(out, "ahead %u %d %s+%#llx\n", pages, stride,
                strrchr(object->path, '/') != NULL ? strrchr(object->path, '/') + 1 : object->path,
                (unsigned long long)(line->sum.code - object->first + object->offset));
        count++;
    }
    return count;
}

#include "analysis/hot.h"

#include <errno.h>
#include <stddef.h>

#include "base/assert.h"
#include "trace/reserve.h"

int hot_init(struct hot *hot, uint32_t pages_most)
{
    *hot = (struct hot){.pages_most = pages_most,
                        .page = reserve(pages_most * sizeof(struct hot_page))};
    return hot->page != NULL ? 0 : -ENOMEM;
}

void hot_fini(struct hot *hot)
{
    reserve_free(hot->page, hot->pages_most * sizeof(struct hot_page));
    hot->page = NULL;
}

static unsigned bits(uint64_t lines)
{
    return (unsigned)__builtin_popcountll(lines);
}

void hot_add(struct hot *hot, uint32_t page, uint64_t lines)
{
    struct hot_page *known = &hot->page[page];
    uint32_t span = (uint32_t)(hot->references++ / HOT_SPAN) + 1;

    check(lines != 0 && page < hot->pages_most);
    hot->pages_ever += known->lines_ever == 0;
    hot->lines_ever += bits(lines & ~known->lines_ever);
    known->lines_ever |= lines;
    if (known->span_plus1 != span) {
        known->span_plus1 = span;
        known->lines = 0;
        hot->pages++;
    }
    hot->lines += bits(lines & ~known->lines);
    known->lines |= lines;
}

double hot_lines(const struct hot *hot)
{
    return hot->pages > 0 ? (double)hot->lines / (double)hot->pages : 0;
}

double hot_lines_ever(const struct hot *hot)
{
    return hot->pages_ever > 0 ? (double)hot->lines_ever / (double)hot->pages_ever : 0;
}

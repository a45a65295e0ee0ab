/* Hot bytes: how much of a page that is referenced is. Objects that are used lie between others that are not, and a pager can
 * only keep both: of a page of 4096 bytes a few hundred may be worth its frame. (HADES, arXiv 2510.19765, calls what
 * could be won by laying objects out anew.)
 *
 * A page is 64 lines, or as many as it has bytes. Of the pages referenced in a span of references, the lines that are
 * referenced in it count; spans follow each other. */
#ifndef ANALYSIS_HOT_H
#define ANALYSIS_HOT_H

#include <stdint.h>

/* References in a span. */
#define HOT_SPAN 65536u

struct hot_page {
    uint64_t lines, lines_ever; /* bits: in the span in which it was referenced last; in any */
    uint32_t span_plus1;
};

struct hot {
    uint64_t references;
    uint64_t pages, lines; /* sums over spans */
    uint64_t pages_ever, lines_ever;
    /* Private. */
    struct hot_page *page;
    uint32_t pages_most;
};

/* Nothing seen. Release with hot_fini in any case. -ENOMEM. */
int hot_init(struct hot *hot, uint32_t pages_most);

void hot_fini(struct hot *hot);

/* The next reference: to `page`, and in it to lines, a bit each, at least one. */
void hot_add(struct hot *hot, uint32_t page, uint64_t lines);

/* Lines of a page that were referenced, on average: of the pages of a span, in it; and of all, ever. 0: nothing was seen. */
double hot_lines(const struct hot *hot);
double hot_lines_ever(const struct hot *hot);

#endif

/* Working sets over time, and by the length of the window, exactly and without knowing the length of the
 * trace: the pages referenced in a window are its references to pages whose previous reference lies
 * before it.
 *
 * Windows are 2^n references long and begin at multiples of that. Of two references to a page, at p and
 * at t, the highest bit in which p and t differ, h, says all: windows of up to 2^h references have the
 * two apart, longer ones together. So a window counts references by h, and two neighbours add up to the
 * window that is twice as long. P. J. Denning, "The working set model for program behavior",
 * Communications of the ACM 11(5), 1968. */
#ifndef ANALYSIS_WINDOWS_H
#define ANALYSIS_WINDOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Windows that are kept; once they are full, each two become one. */
#define WINDOWS_MOST 256u

/* The shortest window is 2^10 references. */
#define WINDOWS_FIRST 10u

#define WINDOWS_LEVELS 64u

struct window {
    uint64_t references;
    uint64_t writes;
    uint64_t fresh;                 /* first references to a page */
    uint64_t apart[WINDOWS_LEVELS]; /* by the highest bit in which times differ */
};

struct windows {
    unsigned level; /* a window is 2^level references long */
    size_t count;
    uint64_t references;
    struct window window[WINDOWS_MOST];
};

/* All zeros but the level. */
void windows_init(struct windows *windows);

/* The next reference, to a page whose last one was at the time `before_plus1` - 1, counted in
 * references from 0; 0: there was none. */
void windows_add(struct windows *windows, uint64_t before_plus1, bool write);

/* Pages referenced in the i-th window. */
uint64_t windows_pages(const struct windows *windows, size_t i);

/* Pages referenced in a window of 2^level references, on average; 0 for an empty trace. */
double windows_mean(const struct windows *windows, unsigned level);

#endif

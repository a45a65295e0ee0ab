/* What system calls do with the memory of the program that executes them: the kernel may not find a page closed, since a call
 * fails then. */
#ifndef SELFPAGE_RECORD_CALLS_H
#define SELFPAGE_RECORD_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "selfpage/record/tracee.h"

#define CALLS_RANGES 68u /* most ranges of a call: the buffers of a readv, and some more */

enum calls_kind {
    CALLS_RANGED, /* it uses the ranges that calls_describe names, and no others */
    CALLS_ANY,    /* it may use anything */
    CALLS_MAPS,   /* it changes what is mapped (mmap, munmap, mprotect, brk), and uses nothing */
};

struct calls_range {
    uint64_t start, size; /* bytes */
    bool writes;          /* the kernel writes there */
    bool keeps;           /* the kernel uses it later, too, as long as the thread lives */
};

struct calls_use {
    enum calls_kind kind;
    struct calls_range ranges[CALLS_RANGES];
    size_t count;
};

/* What a call uses. `memory` is a descriptor of the program's memory (/proc/PID/mem). */
void calls_describe(const struct tracee_call *call, int memory, struct calls_use *use);

#endif

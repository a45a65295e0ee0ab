/* What a program does with its memory, as a value: phases, each a pattern of references. The same
 * workload plays in virtual time and in a live program (selfpage-load). */
#ifndef WORKLOAD_WORKLOAD_H
#define WORKLOAD_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/task.h>

#define WORKLOAD_PHASES_MAX 16u
#define WORKLOAD_PAGES_MAX  (UINT32_C(1) << 24)

/* Patterns. */
enum workload_pattern {
    WORKLOAD_ZIPF,   /* by popularity */
    WORKLOAD_SCAN,   /* in order, `stride` pages apart, round and round */
    WORKLOAD_LOOP,   /* the first `set` pages in order, round and round */
    WORKLOAD_MARKOV, /* anywhere in a working set of `set` pages, which moves now and then */
    WORKLOAD_IDLE,   /* nothing for a while */
    WORKLOAD_TRACE,  /* what a trace says */
    WORKLOAD_FILE, /* no page: a file at the file server, WORKLOAD_READ_BYTES at a time, from its beginning to its end */
    WORKLOAD_PATTERNS
};

/* Bytes of the path of a trace or of a file, with its NUL. */
#define WORKLOAD_PATH 256u

/* What one read of a file asks for. */
#define WORKLOAD_READ_BYTES 65536u

struct workload_phase {
    uint8_t pattern;          /* enum workload_pattern */
    uint32_t first;           /* page of the region where the phase's pages begin */
    uint32_t pages;           /* 1 to the pages behind `first` */
    uint32_t exponent;        /* ZIPF: in thousandths */
    uint32_t stride;          /* SCAN */
    uint32_t set;             /* LOOP, MARKOV: pages */
    uint32_t stay;            /* MARKOV: references until the set moves, on average */
    uint32_t writes;          /* share of writes, in millionths */
    uint64_t references;      /* in all; TRACE, FILE (reads): 0 is all that it has, once */
    uint64_t think_ns;        /* after each reference */
    uint32_t burst;           /* references between pauses; 0: there are no pauses */
    uint64_t pause_ns;        /* after each burst; IDLE: how long the phase lasts */
    char path[WORKLOAD_PATH]; /* TRACE; FILE: below what the file server serves */
};

struct workload {
    uint32_t pages;  /* of its only region; 0: those of its traces, which are not read yet */
    uint8_t kind;    /* enum sp_kind */
    bool ignores;    /* it answers no recall */
    uint32_t rounds; /* how often all phases are played */
    uint64_t
        refill_ns; /* what making a page of a remanufacturable region takes, beyond writing it */
    uint32_t phases;
    struct workload_phase phase[WORKLOAD_PHASES_MAX];
};

#endif

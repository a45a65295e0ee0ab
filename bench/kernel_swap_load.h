/* What both sides of bench_kernel_swap do with their memory: pages are read and written in an order, by one
 * thread or several, and at the end every byte is compared. */
#ifndef BENCH_KERNEL_SWAP_LOAD_H
#define BENCH_KERNEL_SWAP_LOAD_H

#include <stdbool.h>
#include <stdint.h>

struct sp_task;

enum load_order {
    LOAD_RANDOM, /* each page as likely as the others */
    LOAD_SCAN,   /* from the first page to the last; each thread has a part of its own */
    LOAD_SKEWED, /* few pages take most references; they lie scattered */
};

/* One round of one row. */
struct load_round {
    uint32_t order; /* enum load_order */
    uint32_t threads;
    uint32_t references; /* of all threads */
    bool writes;         /* a quarter of them */
};

#define LOAD_THREADS 2u

/* The memory of one side. */
struct load {
    unsigned char *base;
    uint32_t pages;       /* a power of two */
    struct sp_task *task; /* NULL: the kernel pages the memory */
    uint32_t *version;    /* of each page: how often it was written */
    uint64_t seed;
};

/* Write all pages for the first time. Returns false without memory. */
bool kernel_swap_load_fill(struct load *load);

/* Do a round. Returns nanoseconds per reference (threads refer at the same time), or a negative number: a
 * page did not hold what was written to it, or a thread could not be started. */
double kernel_swap_load_run(struct load *load, const struct load_round *round);

/* Does every byte of every page hold what was written to it? */
bool kernel_swap_load_compare(const struct load *load);

#endif

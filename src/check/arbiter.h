/* Asking an arbiter everything that <selfpage/arbiter.h> says physmem may ask, in random order about
 * random tasks, and seeing whether its answers keep its rules.
 *
 * Pure: the caller gives the memory, so that it can be guarded, and steps it, so that two can run side
 * by side. A breach is told in words. What an arbiter does to the process is for the caller to see. */
#ifndef CHECK_ARBITER_H
#define CHECK_ARBITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <selfpage/arbiter.h>

#include "arbiter/registry.h"
#include "base/random.h"
#include "check/check.h"

/* The most tasks at a time. */
#define CHECK_ARBITER_TASKS 12u

struct check_arbiter {
    const struct arbiter_choice *choice;
    struct sp_arbiter_config config;
    struct check_log *log; /* its `breach` and `step` are filled in */
    struct random_source random;
    void *self;
    unsigned char *owns; /* CHECK_ARBITER_TASKS times own_size bytes */
    size_t self_size, own_size;
    struct sp_arbiter_task task[CHECK_ARBITER_TASKS];
    size_t count;
    uint32_t next_id;
    uint64_t now;
    uint64_t answers; /* a hash of all answers so far */
    /* How to call the arbiter: NULL: simply; otherwise it has to call work(argument) once. */
    void (*invoke)(void *context, void (*work)(void *argument), void *argument);
    void *context;
};

/* Bytes of the arbiter's state, and of that for CHECK_ARBITER_TASKS tasks. */
size_t check_arbiter_self_size(const struct arbiter_choice *choice, uint32_t frames);
size_t check_arbiter_owns_size(const struct arbiter_choice *choice, uint32_t frames);

/* Start over `self` and `owns`, zeros of these sizes, aligned to 64 bytes. The
 * caller has set `invoke` and `context` before; the arbiter is initialised. */
void check_arbiter_begin(struct check_arbiter *check, const struct arbiter_choice *choice,
                         uint32_t frames, uint64_t seed, struct check_log *log, void *self,
                         void *owns);

/* One question. False: a rule is broken. */
bool check_arbiter_step(struct check_arbiter *check);

#endif

/* How much of what a task holds it does not use: what the samples say, and what happens to them.
 *
 * In each period a few frames of each task are chosen at random, with equal chances, and its rights
 * to them are taken by the ordinary unmap (core/physmem/sample.c). A page whose frame is used is
 * faulted for, and its task asks for the rights again; those not asked for until the end of the
 * period were idle. C. Waldspurger, "Memory resource management in VMware ESX Server", OSDI 2002: a
 * slow and a fast moving average of the active part, and the fast one with what is known of the
 * present period; the largest of the three counts. This way a task that wakes up is seen at once, and
 * one that falls asleep little by little.
 *
 * A task asks for rights in runs of neighbouring slots, and only the first slot was faulted for. A
 * run therefore ends before another slot that was drawn, or the use of that one would not be seen.
 * A slot that lost its frame, or whose unmap was not answered, tells nothing. A frame without
 * rights that is drawn again needs no message. */
#ifndef CORE_PHYSMEM_IDLE_H
#define CORE_PHYSMEM_IDLE_H

#include "core/physmem/state.h"

/* Frames drawn in a period. Each one that has rights costs an unmap of its own, and a task may have
 * at most PHYSMEM_UNMAPS_MAX unanswered unmaps. */
#define SAMPLE_SLOTS 12u

enum sample_state {
    SAMPLE_WATCHED,
    SAMPLE_TOUCHED,
    SAMPLE_VOID,
};

struct sample {
    uint32_t container; /* handle */
    uint32_t slot;
    enum sample_state state;
};

/* INVARIANT: count <= SAMPLE_SLOTS; 0 <= fast, slow <= 1. */
struct sampling {
    struct sample sample[SAMPLE_SLOTS];
    uint32_t count;
    bool known; /* a period has ended */
    double fast, slow;
};

/* The part of what the task holds that it does not use, of SP_ARBITER_WHOLE; 0 if not known. */
uint32_t idle_part(const struct physmem_task *task);

/* The sample of a slot in this period, or NULL. The task has been sampled. */
struct sample *idle_sample(const struct physmem_task *task, uint32_t container, uint32_t slot);

/* The task asks for rights to `count` slots, and needs the first one. Returns how many it may have
 * at once: up to the next slot whose use physmem watches for. */
uint32_t idle_mapped(struct physmem_task *task, uint32_t container, uint32_t start, uint32_t count);

/* A slot lost its frame. */
void idle_lost(struct physmem_task *task, uint32_t container, uint32_t slot);

/* A period ends: the averages move, unless its samples tell nothing. */
void idle_period_end(struct physmem_task *task);

/* Free what is known of the task. */
void idle_end(struct physmem *physmem, struct physmem_task *task);

#endif

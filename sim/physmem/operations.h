/* Operations: effects of the core that the swap server has to answer, by a deadline each.
 *
 * An operation asks several things. With the last answer the core is told what has become of its pages
 * (physmem_swap_stored, physmem_swap_loaded), and the operation is freed. One whose deadline passes is given up: the
 * core is told that all its pages have failed, and the operation stays, without a deadline, until its last answer has
 * come, for whoever takes the answers has to give back what came too late. */
#ifndef PHYSMEM_OPERATIONS_H
#define PHYSMEM_OPERATIONS_H

#include "service.h"

struct operation {
    struct operation *next, *prev; /* of those that are not answered, in their order */
    uint64_t until_ns;             /* when it is given up */
    uint32_t account;              /* handle */
    uint32_t extent;               /* that a load fills */
    uint32_t error;
    uint32_t waits; /* for so many answers */
    uint32_t count;
    uint32_t reserve; /* slots that a store has reserved */
    bool load;
    bool given_up; /* the answer was waited for in vain, and the core knows */
    struct physmem_swapped page[PHYSMEM_SWAP_MAX];
};

/* first == NULL: all are answered or given up. All have one patience, so that they are due in their order. */
struct operations {
    struct operation *first, *last;
    struct service *service;
    uv_loop_t *loop;
    void (*run)(struct service *service);
    uint64_t patience_ns;
    uv_timer_t timer; /* until the first is given up, if `started` */
    bool started;
    bool stopped;
};

/* `run` is called when the core was told something by the timer, and carries out its effects. */
void operations_init(struct operations *operations, struct service *service, uv_loop_t *loop,
                     uint64_t patience_ns, void (*run)(struct service *service));

/* The deadline of an operation, which is filled, begins. The operation is freed from here. */
void operations_begin(struct operations *operations, struct operation *operation);

/* One answer is not waited for any more, whether it came or not. */
void operations_less(struct operations *operations, struct operation *operation);

/* No operation is given up any more; to be called from the loop. */
void operations_stop(struct operations *operations);

#endif

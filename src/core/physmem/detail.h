/* What one task has, piece by piece: its contracts, the recalls that it has not met, its containers, and what it says
 * of its regions; for observers that look at this task alone. */
#ifndef CORE_PHYSMEM_DETAIL_H
#define CORE_PHYSMEM_DETAIL_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/contract.h>

#include "core/contracts/contract.h"
#include "core/physmem/physmem.h"
#include "shm/frame_stack.h"

/* Containers that are described one by one; a task may have more. */
#define PHYSMEM_DETAIL_CONTAINERS 32u

struct physmem_contract_detail {
    struct sp_terms terms;
    uint32_t number;
    uint8_t state;    /* enum sp_contract_state */
    uint64_t left_ns; /* of its term while it is active; SP_FOREVER: it has no end of its own */
    uint32_t kept; /* frames that are no longer promised, and that the task may keep until asked */
    uint32_t recalling; /* of these, asked for */
    uint32_t parts;     /* split off and not come back */
};

struct physmem_recall_detail {
    uint64_t id;
    uint32_t asked;
    uint32_t missing;
    uint64_t left_ns; /* until the deadline */
    bool overdue;     /* the first deadline was missed */
};

struct physmem_container_detail {
    uint32_t number;
    uint32_t slots;
    uint32_t allocated; /* slots that have frames */
    uint32_t soft;      /* slots whose frames were released, and may be taken by others */
    uint32_t shares;    /* weak references of other tasks to it */
    bool locked;        /* one of these has it locked */
    uint64_t version;
};

/* What the task says of a region, as long as it lives, in the memory that it shares with physmem: any numbers. */
struct physmem_region_detail {
    uint64_t address;
    uint32_t pages;
    uint32_t resident;
    uint32_t kind; /* enum sp_kind */
};

struct physmem_task_detail {
    uint32_t contracts; /* entries of contract[] */
    uint32_t recalls;
    uint32_t containers;      /* in all */
    uint32_t containers_seen; /* entries of container[]: those that were made last */
    uint32_t regions;         /* in all, as it says */
    uint32_t regions_seen;    /* entries of region[] */
    struct physmem_region_detail region[FRAME_STACK_REGIONS];
    struct physmem_contract_detail contract[CONTRACTS_PER_TASK];
    struct physmem_recall_detail recall[PHYSMEM_RECALLS_MAX];
    struct physmem_container_detail container[PHYSMEM_DETAIL_CONTAINERS];
};

/* Fill *detail with what is true at time `now` of a task, which may be revoked or gone: then it has
 * nothing. Costs the same however large the task is. */
void physmem_detail_get(const struct physmem *physmem, uint64_t now,
                        const struct physmem_task *task, struct physmem_task_detail *detail);

#endif

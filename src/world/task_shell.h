/* A task in the world: the core of the pager with an eviction policy, its contracts with the core of
 * physmem, its slots of the core of swap, and an address space whose pages hold one number each.
 *
 * The task has one thread. task_shell_touch is a reference of it; while that waits (for swap, for
 * frames), time has to pass, and what the world's queue delivers to this task goes to
 * task_shell_deliver. What physmem sends comes through task_shell_hear, which only notes it, since
 * physmem is then in the midst of its effects; task_shell_work acts on it. A driver does this:
 *
 *     world.watch: task_shell_hear of the task that the effect is about
 *     for ever: task_shell_work; then task_shell_touch the next page, or the one that waited;
 *               if all tasks wait: let time pass to the first of world_queue_due and physmem_deadline, and
 *               deliver what is due
 *
 * Each page remembers what the program wrote there last. A reference that finds something else is a
 * bug of one of the cores, and ends the process. */
#ifndef WORLD_TASK_SHELL_H
#define WORLD_TASK_SHELL_H

#include "core/pager/pager.h"
#include "policy/params.h"
#include "world/queue.h"
#include "world/swap_shell.h"
#include "world/world.h"

/* Unmaps that were heard and not acted on yet; physmem has at most so many under way. */
#define TASK_SHELL_UNMAPS PHYSMEM_UNMAPS_MAX

/* Places of its frame stack. */
#define TASK_SHELL_PLACES 1024u

struct task_shell_config {
    struct world *world; /* outlives the task, as do the next three */
    struct queue *queue;
    struct swap_shell *swap;
    const struct sp_policy *policy; /* with its presets */
    const char *name;
    uint32_t number; /* of this task in the world: `to` of its entries in the queue */
    uint32_t pages;  /* of its only region */
    enum sp_kind kind;
    uint32_t guaranteed, extra; /* of its two contracts; 0: none */
    uint64_t seed;
};

/* The outcome of a reference. */
enum task_shell_verdict {
    TASK_SHELL_TOUCHED,
    TASK_SHELL_WAITS,   /* touch the same page again after the next delivery, or after some time */
    TASK_SHELL_STUCK,   /* no frame can come free: see pager_fault_stuck_reason */
    TASK_SHELL_REVOKED, /* it has lost this page, or everything */
    TASK_SHELL_FAILED,  /* there was no memory: the task cannot go on */
};

struct task_shell_page;
struct task_shell_slot;

struct task_shell {
    struct task_shell_config config;
    struct physmem_task *task;
    uint32_t container;
    struct pager pager;
    struct sp_stats stats;
    double params[POLICY_PARAMS_MAX];
    void *memory; /* of the pager; with room to align it */
    size_t memory_size;
    sp_page first; /* of its region */
    struct task_shell_page *page;
    struct task_shell_slot *slot;
    uint32_t slots;
    uint64_t written; /* the last number written to a page */
    /* An allocation that is not answered: the request, and what has come. */
    uint32_t allocation; /* 0: none */
    bool allocated;
    uint32_t allocated_count;
    bool allocated_zero;
    /* Heard, and not acted on yet. */
    uint32_t owes;
    bool told; /* that it can have extra frames */
    bool revoked;
    bool failed; /* a delivery was lost for want of memory */
    struct physmem_effect unmap[TASK_SHELL_UNMAPS];
    uint32_t unmaps;
};

/* A task comes, with its contracts, which must be accepted, a container and a region. Returns 0, or
 * -ENOMEM: no memory, or the contracts were not accepted; task_shell_fini in both cases. The struct must
 * not move. */
int task_shell_init(struct task_shell *shell, const struct task_shell_config *config);

/* It ends: physmem takes its frames back, and its pages are gone. */
void task_shell_fini(struct task_shell *shell);

/* The program refers to page `page` of its region. */
enum task_shell_verdict task_shell_touch(struct task_shell *shell, uint32_t page, bool write);

/* Physmem says something. */
void task_shell_hear(struct task_shell *shell, const struct physmem_effect *effect);

/* Act on the messages received: return frames that are owed, answer unmaps, take frames that came. */
void task_shell_work(struct task_shell *shell);

/* An entry of the queue that is for this task. */
void task_shell_deliver(struct task_shell *shell, const struct queue_entry *entry);

/* An entry for a task that is gone: what it had under way at swap is over. */
void task_shell_forget(struct swap_shell *swap, const struct queue_entry *entry);

#endif

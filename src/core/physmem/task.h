/* The tasks of a physmem: their coming and going, and their control connections. For shells.
 *
 * A task is named by pointer from physmem_task_add to physmem_task_gone. */
#ifndef CORE_PHYSMEM_TASK_H
#define CORE_PHYSMEM_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/task.h>

struct physmem;
struct physmem_task;

/* A task may have so many extents, and one more for each so many frames of its contracts. */
#define PHYSMEM_EXTENTS_PER_TASK 16u
#define PHYSMEM_EXTENT_SHARE     32u

/* The identity of a task. */
struct physmem_identity {
    char name[SP_NAME_MAX];
    uint32_t pid;
    uint32_t uid;
    uint64_t key; /* that its control connection must show */
    /* The shell can kill this very process and no other (it holds a pidfd). If not, contracts that
     * say SP_BREACH_KILL are refused. */
    bool can_be_killed;
    void *peer; /* for the shell that carries out effects */
};

/* A task has come. *taskp is set, and valid until physmem_task_gone. Returns 0 or -ENOMEM. */
int physmem_task_add(struct physmem *physmem, uint64_t now, const struct physmem_identity *identity,
                     struct physmem_task **taskp);

/* The number of a task: 1, 2, ... in the order in which tasks come, never used again. */
uint32_t physmem_task_id(const struct physmem_task *task);

/* The identity of the task; valid as long as the task. */
const struct physmem_identity *physmem_task_identity(const struct physmem_task *task);

/* Extents that a task with contracts for so many frames may have: far more than it needs, but it cannot use up the
 * descriptors of all. */
static inline uint32_t physmem_task_extents_most(uint32_t frames)
{
    return PHYSMEM_EXTENTS_PER_TASK + frames / PHYSMEM_EXTENT_SHARE;
}

/* Extents that a task needs if all the frames of its contracts lie side by side. A task that may lose frames by force (a
 * contract of it says SP_BREACH_REPOSSESS or SP_BREACH_PENALTY) spreads them over more. UINT32_MAX: it has no such
 * contract, and whatever it asks for it needs. */
uint32_t physmem_task_extents_needed(const struct physmem_task *task);

/* The task of this number that is there, or NULL. */
struct physmem_task *physmem_task_find(struct physmem *physmem, uint32_t id);

/* The task with the lowest number above `after`, gone or not; NULL if there is none. */
const struct physmem_task *physmem_task_after(const struct physmem *physmem, uint32_t after);

/* The task's control connection is there, or has ended. Without one a task gets no contract. It is in
 * breach PHYSMEM_HANGUP_GRACE_NS after the first recall that should have gone there; or after the end
 * of the connection, if it was asked for something before. */
void physmem_task_connected(struct physmem *physmem, struct physmem_task *task);
void physmem_task_disconnected(struct physmem *physmem, uint64_t now, struct physmem_task *task);

/* The task's control connection took no more messages: a breach. */
void physmem_task_stuck(struct physmem *physmem, uint64_t now, struct physmem_task *task);

/* The task is gone. Everything it had is free, and the pointer is invalid. Requests that wait get no
 * reply. */
void physmem_task_gone(struct physmem *physmem, uint64_t now, struct physmem_task *task);

#endif

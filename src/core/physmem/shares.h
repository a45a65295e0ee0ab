/* Weak references: what other tasks may do with a container, and the lock that one of them may
 * have.
 *
 * The owner of a container shares it with one task at a time: it names the task by its number, or
 * gets a token that any task may show once. That task may then copy from slots (SLOT_READ) and to
 * them (SLOT_WRITE), and lock the container. It can neither allocate nor free, nor map: what it
 * copies to a container of its own it can map, and no descriptor ever reaches what it may not see.
 *
 * THE LOCK. While a task has a container locked, every other one, its owner too, gets EBUSY for
 * what it asks of it; the owner may give up rights, and see the version. The lock ends when its
 * holder unlocks or ends, when its time is over, or with the container. The owner says how long one
 * may last. An owner that is recalled must have other frames to return while a container is locked.
 *
 * THE VERSION counts what may have changed the contents of slots: frames that came and went, copies
 * to them, rights to write that were given, and the beginning and the end of each lock. What is
 * refused, reading, and unmapping, do not count. A task that has locked a container therefore
 * knows which version it must find after n copies: n more. The owner may write through rights that
 * it was given before the lock; a lock that takes the owner's rights waits until it has answered
 * that.
 *
 * INVARIANTS (physmem_check):
 *     sharing.shares    == entries of its list <= SHARES_PER_CONTAINER
 *     a share is in the list of its task iff it has one; task.shares_given counts those not adopted
 *     sharing.locker    is NULL or one of the list that is adopted; its deadline runs iff there is
 *     one no task has two shares of one container, and no owner has one */
#ifndef CORE_PHYSMEM_SHARES_H
#define CORE_PHYSMEM_SHARES_H

#include "core/physmem/state.h"

/* The weak reference to a container that a task has taken, or NULL. */
struct share *shares_of(const struct container *container, const struct physmem_task *task);

/* Whether a task may use a container (NULL: it is gone) now, with this right. Returns 0, ENOENT (it
 * has no access at all), EPERM (not with this right) or EBUSY (another task has locked it). */
int shares_permit(const struct container *container, const struct physmem_task *task,
                  uint8_t right);

/* The container that a request names and its task may use; NULL, and it is answered, if not. */
struct container *shares_container(struct physmem *physmem, const struct physmem_request *request,
                                   uint32_t handle, uint8_t right);

/* The container that a request names and to which its task has a weak reference, which becomes
 * *sharep; NULL, and it is answered, if not. */
struct container *shares_weak(struct physmem *physmem, const struct physmem_request *request,
                              uint32_t handle, struct share **sharep);

/* A share enters the list of its task. */
void shares_enlist(struct share *share, struct physmem_task *task);

/* The lock of a container, if there is one, ends; a request to lock that waits is answered with
 * `error` and `text` unless error is 0. */
void shares_unlock(struct physmem *physmem, struct container *container, int error,
                   const char *text);

/* A weak reference, which does not have the lock, ends. */
void shares_remove(struct physmem *physmem, struct share *share);

/* All weak references to a container end: it goes. */
void shares_end(struct physmem *physmem, struct container *container);

/* All that a task has, or could take, end: it goes. */
void shares_task_end(struct physmem *physmem, struct physmem_task *task);

#endif

/* Windows: addresses at which slots of the program's containers are mapped, page by page as they
 * are touched.
 *
 * A window remembers what each page is mapped for. Physmem may take rights at any time
 * (windows_taken), and the program gives them up where it copies or frees (windows_give_up); the
 * next access brings them back (windows_fault). Mapping a page asks physmem without the lock; if an
 * unmap was heard meanwhile, it asks again, so that nothing is mapped to which physmem's books say
 * the task has no rights. */
#ifndef TASK_CONTAINERS_WINDOWS_H
#define TASK_CONTAINERS_WINDOWS_H

#include "task/state/state.h"

/* Map slots of a container, at first for reading, or for writing where nothing stands against it.
 * Returns 0 or a negative errno. Inside a guard. */
int windows_open(struct sp_task *task, uint32_t container, struct wire_range slots, bool writable,
                 void **addressp, struct sp_error *error);

/* Take a window away. Returns 0, or -EINVAL: there is none at this address. Inside a guard. */
int windows_close(struct sp_task *task, const void *address);

/* Whether the container has a window. Inside a guard. */
bool windows_any(struct sp_task *task, uint32_t container);

/* Give up the rights to slots of a container, if they are mapped, or (`all`) whether they are or
 * not. Inside a guard. */
void windows_give_up(struct sp_task *task, uint32_t container, struct wire_range slots, bool all);

/* Physmem takes rights to slots away. The lock is held. */
void windows_taken(struct sp_task *task, uint32_t container, const struct wire_range *slots);

/* A fault at an address that is in no region. False: it is in no window either, or cannot be
 * repaired. `unknown`: the machine does not say whether it was a write. In the fault handler. */
bool windows_fault(struct sp_task *task, void *address, bool write, bool unknown);

/* Take all windows away, at the end of the task. */
void windows_release(struct sp_task *task);

#endif

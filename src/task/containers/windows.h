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

/* What an access to a window needs. */
enum window_need {
    WINDOW_SERVED,  /* nothing more */
    WINDOW_WANTED,  /* pages are to be mapped; windows_fault does that itself */
    WINDOW_HOLE,    /* the page is to be filled first */
    WINDOW_REFUSED, /* it is in no window, may not write there, or cannot be repaired */
};

/* Open a window like this one, which has no address yet; its pages are mapped as they are touched.
 * Returns 0 or a negative errno. Inside a guard. */
int windows_open(struct sp_task *task, const struct task_window *like, void **addressp,
                 struct sp_error *error);

/* The same, for one that fills nothing, and map its pages now, for writing where nothing stands
 * against it. The first must have a frame. */
int windows_open_filled(struct sp_task *task, const struct task_window *like, void **addressp,
                        struct sp_error *error);

/* Take a window away. Returns 0, or -EINVAL: there is none at this address. *madep, unless NULL: the
 * container that was made for it, or 0. Inside a guard. */
int windows_close(struct sp_task *task, const void *address, uint32_t *madep);

/* Whether the container has a window. Inside a guard. */
bool windows_any(struct sp_task *task, uint32_t container);

/* Give up the rights to slots of a container, if they are mapped, or (`all`) whether they are or
 * not. Inside a guard. */
void windows_give_up(struct sp_task *task, uint32_t container, struct wire_range slots, bool all);

/* Physmem takes rights to slots away. The lock is held. */
void windows_taken(struct sp_task *task, uint32_t container, const struct wire_range *slots);

/* A fault at an address that is in no region. `unknown`: the machine does not say whether it was a
 * write. In the fault handler, with cancellation forbidden. */
enum window_need windows_fault(struct sp_task *task, void *address, bool write, bool unknown);

/* Memory behind an address is gone: if it is in a window, the page is not mapped any more, and the
 * next access asks physmem. False: it is in no window. In the fault handler. */
bool windows_cut(struct sp_task *task, void *address);

/* Take all windows away, at the end of the task. */
void windows_release(struct sp_task *task);

#endif

/* What a task has in swap, and its request about that which waits: what several requests, and the end of a task, do
 * with it. */
#ifndef CORE_PHYSMEM_SWAPPING_H
#define CORE_PHYSMEM_SWAPPING_H

#include "core/physmem/state.h"

static inline bool swapping_waits(const struct physmem_task *task)
{
    return task->swapping != NULL && task->swapping->step != SWAPPING_NONE;
}

/* Room for what a task has in swap, with an account. Returns 0 or ENOMEM. */
int swapping_open(struct physmem *physmem, struct physmem_task *task);

/* Whether the request can be looked at: there is a swap server, and no other one of the task waits. If not, it is
 * answered. */
bool swapping_begin(struct physmem *physmem, const struct physmem_request *request);

/* Whether the numbers of a request are this task's, each is named once, and there are 1 to PHYSMEM_SWAP_MAX of them; 0 is
 * none. If not, it is answered. */
bool swapping_numbers_fit(struct physmem *physmem, const struct physmem_request *request,
                          const uint32_t *numbers, uint32_t count);

/* A reference goes, and the swap server is told. */
void swapping_release(struct physmem *physmem, struct stored_reference *reference);

/* The swap server is told of what has gone. */
void swapping_freed(struct physmem *physmem, const struct stored_freed *freed);

/* The request of a task that waits is over, and answered: done, with this error. */
void swapping_fail(struct physmem *physmem, struct physmem_task *task, int error, uint32_t count,
                   const char *text);

/* The same: swapped, with the numbers of the request. */
void swapping_answer(struct physmem *physmem, struct physmem_task *task, int error,
                     const char *text);

/* A load of a page begins or ends. */
void swapping_mark(struct stored_page *page, bool loading);

/* The pages that the request is having loaded are not on their way any more, and the extent for them goes if it is
 * there. */
void swapping_unload(struct physmem *physmem, struct swapping *swapping);

/* A task ends; its request, if one waits, is answered with `error` unless that is 0. The numbers of a reply that was
 * not sent yet stay where they are until swapping_free, when the task is forgotten. */
void swapping_task_end(struct physmem *physmem, struct physmem_task *task, int error,
                       const char *text);
void swapping_free(const struct physmem *physmem, struct physmem_task *task);

/* Give up some of what tasks that have gone had in swap. */
void swapping_slice(struct physmem *physmem);

/* Requests that wait for others, or what tasks that have gone had, are to be looked at soon. */
void swapping_look(struct physmem *physmem);

#endif

/* What the task knows of the containers that its program has made: which slots have frames. Those
 * frames count against the contracts, and the pager does without them (sp_task.aside).
 *
 * Physmem's books are the truth: what it takes by force stays marked here until the program gives
 * it up. */
#ifndef TASK_CONTAINERS_BOOK_H
#define TASK_CONTAINERS_BOOK_H

#include "task/state/state.h"

struct book {
    struct book *next;
    uint32_t container; /* number */
    uint32_t pages;
    uint32_t frames; /* slots that have one */
    size_t size;     /* of this struct in memory, in bytes */
    uint64_t held[]; /* bits */
};

/* Begin a book for a container without frames. Returns 0 or -ENOMEM. Inside a guard. */
int book_begin(struct sp_task *task, uint32_t container, uint32_t pages);

/* The book of a container, or NULL. The lock is held. */
struct book *book_find(const struct sp_task *task, uint32_t container);

/* Slots, which lie in the container, have frames from now on, or have none. The pager is told how many frames are
 * left for it. The lock is held. */
void book_mark(struct sp_task *task, struct book *book, uint32_t first, uint32_t count, bool held);

/* Slots of a range that have no frame. The lock is held. */
uint32_t book_holes(const struct book *book, uint32_t first, uint32_t count);

/* The container is gone, with its frames. Inside a guard. */
void book_end(struct sp_task *task, uint32_t container);

/* Forget all, at the end of the task. */
void book_release(struct sp_task *task);

#endif

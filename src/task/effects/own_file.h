/* The task's own file in swap: where the server lays its pages, and from where the task loads them by itself,
 * in the thread that faults.
 *
 * The server knows nothing of these loads. It stores, and says with each page's slot its checksum, which the
 * task compares after it has read the page. A page that cannot be read, or that is another one, is left to
 * the server: it loads it, or says what is wrong with it.
 *
 * A page has a slot only once its store has been acknowledged, and gives it up only when it has been loaded: so
 * nothing is read here that is still being written. */
#ifndef TASK_EFFECTS_OWN_FILE_H
#define TASK_EFFECTS_OWN_FILE_H

#include "task/effects/work.h"

/* Ask swap for a file. Without one, everything goes on by the server. Returns 0, or -EPROTO and a text: swap
 * is gone. Before anything is reserved there. */
int own_file_open(struct sp_task *task, struct sp_error *error);

/* It has come. */
void own_file_arrived(struct sp_task *task, const struct wire_message *message, int consume_fd);

void own_file_close(struct sp_task *task);

static inline bool own_file_is_open(const struct sp_task *task)
{
    check(task->own_file_fd < 0 || task->own_sums != NULL);
    return task->own_file_fd >= 0;
}

/* A base page is stored, with this checksum. The lock is held. */
static inline void own_file_stored(struct sp_task *task, uint32_t base_page, uint64_t checksum)
{
    check(base_page < task->arena_pages);
    if (task->own_sums != NULL)
        task->own_sums[base_page] = checksum;
}

/* Read the pages that `work` loads into their frames, and make *reply what the server would have answered; the
 * error of a page that is left to the server is EAGAIN. Returns how many base pages these are. */
uint32_t own_file_load(struct sp_task *task, const struct work *work, struct wire_message *reply);

/* The same in two steps, between which the pages are read by the thread's ring. own_file_begin returns the
 * number of that ring, or -1: the thread has none, and nothing has begun. Nothing else may use the ring between. */
int own_file_begin(struct sp_task *task, const struct work *work);
uint32_t own_file_end(struct sp_task *task, const struct work *work, int number,
                      struct wire_message *reply);

/* Loads that swap has not been told of, if there are any: *message says so then. */
bool own_file_tell(struct sp_task *task, struct wire_message *message);

/* Whether there are so many of them that it is time for a message about nothing else. */
bool own_file_should_tell(const struct sp_task *task);

#endif

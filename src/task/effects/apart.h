/* Mappings that change outside of the lock: those of pages that are evicted while another one is loaded.
 *
 * Removing a page from the page table interrupts every processor that runs the program, and removing its mapping waits
 * for faults of all threads. Neither holds up the pager's other callers here: one thread at a time has the pager choose
 * pages, lets go of the lock, carries out what that does to mappings, and tells the pager (turn.h). Meanwhile these
 * pages keep their frames, and faults on them wait. All ranges leave the page table in one call. */
#ifndef TASK_EFFECTS_APART_H
#define TASK_EFFECTS_APART_H

#include "task/state/state.h"

/* Pages that one turn evicts, at most. */
#define APART_PAGES PAGER_TURN_RUN_PAGES
/* Ranges that one turn takes out of the page table for the kernel to note references to them. More are carried out at
 * once. */
#define APART_TAKES 32u

struct apart_range {
    sp_page page;
    uint32_t count;
};

struct apart {
    uint32_t takes, unmaps;
    struct apart_range take[APART_TAKES], unmap[APART_PAGES];
};

/* Whether this thread may evict this way, or map a frame early, now: no other one does. Ends with apart_leave. */
bool apart_enter(struct sp_task *task);
void apart_leave(struct sp_task *task);

/* Wait until no mapping is changed apart, and keep it this way until apart_leave: physmem takes frames or rights. The
 * thread does not hold the lock. */
void apart_forbid(struct sp_task *task);

/* The effects of the next call of the pager that are `apart` are noted in `apart`, until task->apart is NULL again. The
 * lock is held. */
void apart_begin(struct sp_task *task, struct apart *apart);

/* Note pages in a row that leave the page table. False: that has to be done now, since there is no room, or the call
 * notes nothing. The lock is held. */
bool apart_take(struct sp_task *task, sp_page page, uint32_t count);

/* Note pages in a row that lose their mappings. The lock is held, and the call notes effects. */
void apart_unmap(struct sp_task *task, sp_page page, uint32_t count);

#endif

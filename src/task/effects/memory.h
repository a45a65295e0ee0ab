/* The task's addresses: managed memory, and windows on the extents. */
#ifndef TASK_EFFECTS_MEMORY_H
#define TASK_EFFECTS_MEMORY_H

#include "task/state/state.h"

/* Reserve managed memory for all regions; and give all addresses back. */
int memory_window_reserve(struct sp_task *task, struct sp_error *error);
void memory_release(struct sp_task *task);

/* The address of a page of managed memory. */
void *memory_address(const struct sp_task *task, sp_page page);

/* Where the library sees the frame of a slot, whose extent is known; and whether an address lies in such
 * a window. */
void *memory_window(const struct sp_task *task, uint32_t slot);
bool memory_is_window(const struct sp_task *task, const void *address);

/* Map `count` pages in a row, of which the effect names the first, to frames in a row of one extent; unmap
 * so many; change the protection of a page; fill a frame with zeros; as the pager's effects say. The lock is
 * held, or, for pages that are unmapped apart (apart.h), the other one. */
void memory_map(struct sp_task *task, const struct pager_effect *effect, uint32_t count);
void memory_unmap(struct sp_task *task, sp_page page, uint32_t count);
void memory_protect(struct sp_task *task, const struct pager_effect *effect, uint32_t count);
void memory_clear(struct sp_task *task, uint32_t slot);

/* While a page is loaded, map its frame without rights. If the page is mapped when it has come, that is to give rights
 * to this mapping: a third of the work, and less time under the lock. Only the thread that loads the page may call
 * this, without the lock, and must call memory_early_end. *early says what was done: nothing, where that cannot be. */
void memory_map_early(const struct sp_task *task, sp_page page, uint32_t slot,
                      struct task_early *early);

/* From here to memory_early_end, memory_map makes use of it. Both with the lock held. At the end the page is mapped
 * as the pager has said, or not at all. */
void memory_early_begin(struct sp_task *task, struct task_early *early);
void memory_early_end(struct sp_task *task);

/* Mappings that regions may use: what vm.max_map_count leaves. */
uint32_t memory_map_limit(void);

#endif

/* Turns of the processor.
 *
 * Linux chooses, of the threads that have had less than their share, the one whose turn would end first. A thread that
 * mostly waits, and has others wait for it, is chosen soon after it wakes if its turns are short. Over time it gets
 * neither more nor less than before; what it has to do without a pause is cut into more turns. */
#ifndef OS_SLICE_H
#define OS_SLICE_H

/* Ask for the shortest turns for the calling thread, and for those that it starts from now on. Needs no privilege. Nothing
 * changes on a kernel that does not know this (before Linux 6.12), nor for a thread that was given another way of
 * scheduling (chrt, SCHED_IDLE ...): that stands. */
void slice_shorten(void);

#endif

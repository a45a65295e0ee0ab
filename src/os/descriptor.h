/* Descriptors that programs keep for themselves. */
#ifndef OS_DESCRIPTOR_H
#define OS_DESCRIPTOR_H

/* Move a descriptor away from 0, 1 and 2. A program may run with these closed; whatever is opened
 * then gets one of these numbers, and receives what the program prints.
 *
 * Takes `consume_fd`, which may be negative, and returns it if it is negative or above 2. Otherwise
 * closes it and returns a close-on-exec duplicate above 2, or -EMFILE when the process has no number
 * left. Async-signal-safe. */
int descriptor_raise(int consume_fd);

#endif

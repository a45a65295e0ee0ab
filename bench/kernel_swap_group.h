/* The kernel's swap for one process: a swap file, and a memory control group with a limit. Needs root, and a
 * kernel that has both. */
#ifndef BENCH_KERNEL_SWAP_GROUP_H
#define BENCH_KERNEL_SWAP_GROUP_H

#include <stddef.h>
#include <sys/types.h>

#include <selfpage/error.h>

#define KERNEL_SWAP_PATH 512

struct kernel_swap_group {
    char directory[KERNEL_SWAP_PATH]; /* of the control group; "": none */
    char file[KERNEL_SWAP_PATH];      /* swapped to; "": none */
    pid_t warden;                     /* takes both away when this process has ended, however */
    int warden_end;                   /* held open while this process lives */
};

/* Make a swap file of `swap_bytes` in `place`, and a group whose members may use `limit_bytes` together.
 * Returns 0, or a negative errno and a text that says what this machine does not allow; nothing is left
 * then. The file is the swap of highest priority while the group exists: other processes may use it too. */
int kernel_swap_group_make(struct kernel_swap_group *group, const char *place, size_t limit_bytes,
                           size_t swap_bytes, struct sp_error *error);

/* Put the calling process into the group. Returns 0 or a negative errno and a text. */
int kernel_swap_group_join(const struct kernel_swap_group *group, struct sp_error *error);

/* Take away the swap file and the group, which must have no member any more. */
void kernel_swap_group_end(struct kernel_swap_group *group);

#endif

/* Memory that is not populated before it is touched, whatever mlockall says. */
#ifndef OS_UNLOCKED_H
#define OS_UNLOCKED_H

#include <stddef.h>

/* Like mmap for reading and writing, at offset 0; `flags` and `fd` as for mmap. After
 * mlockall(MCL_FUTURE) the kernel would populate the mapping at once, which takes frames of an extent that
 * nobody gave. Returns NULL, with errno set, if there is no memory. */
void *unlocked_map(void *place, size_t size, int flags, int fd);

#endif

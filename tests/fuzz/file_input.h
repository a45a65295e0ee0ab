/* An input as the contents of a file. */
#ifndef TESTS_FUZZ_FILE_INPUT_H
#define TESTS_FUZZ_FILE_INPUT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Returns a descriptor for close(). `path` names the file as long as it is open. */
static inline int file_of(const uint8_t *data, size_t size, char path[40])
{
    int fd = memfd_create("input", MFD_CLOEXEC);

    if (fd < 0 || (size > 0 && pwrite(fd, data, size, 0) != (ssize_t)size))
        abort();
    snprintf(path, 40, "/proc/self/fd/%d", fd);
    return fd;
}

#endif

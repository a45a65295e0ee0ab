#include "task/effects/site_objects.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"

/* Room for lines: one is hardly longer than a path. */
#define BUFFER 8192u

/* A line of /proc/self/maps, without its end: is it of code that a file has? */
static void take_line(struct fault_table *table, const char *line)
{
    unsigned long first, end, offset;
    char permissions[5];
    int path = 0;

    check(strchr(line, '\n') == NULL);
    if (sscanf(line, "%lx-%lx %4s %lx %*s %*s %n", &first, &end, permissions, &offset, &path) < 4 ||
        path == 0 || permissions[2] != 'x' || line[path] != '/' || first >= end)
        return;
    fault_table_add_object(table, first, end, offset, line + path);
}

/* Take the whole lines of a buffer; what is left of the last one is moved to its front. Returns its length. */
static size_t take_lines(struct fault_table *table, char *buffer, size_t length)
{
    char *line = buffer, *end;

    check(length <= BUFFER);
    while ((end = memchr(line, '\n', (size_t)(buffer + length - line))) != NULL) {
        *end = '\0';
        take_line(table, line);
        line = end + 1;
    }
    length -= (size_t)(line - buffer);
    if (length == BUFFER) /* a line that is longer than any can be */
        return 0;
    memmove(buffer, line, length);
    return length;
}

void site_objects_look(struct fault_table *table)
{
    char buffer[BUFFER];
    size_t length = 0;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    for (;;) {
        ssize_t got = read(fd, buffer + length, BUFFER - length);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        length = take_lines(table, buffer, length + (size_t)got);
    }
    check(table->objects <= FAULT_TABLE_OBJECTS);
    close(fd);
}

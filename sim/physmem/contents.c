#include "contents.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <selfpage/contract.h>

void contents_free(struct contents **listp)
{
    struct contents *contents;

    while ((contents = *listp) != NULL) {
        *listp = contents->next;
        free(contents);
    }
}

const uint8_t *contents_find(const struct contents *list, uint32_t page)
{
    const uint8_t *found = NULL;

    for (const struct contents *c = list; c != NULL; c = c->next)
        if (page >= c->page && page - c->page < c->count)
            found = c->bytes + (size_t)(page - c->page) * SP_PAGE_SIZE;
    return found;
}

int contents_write(int fd, const struct contents *list, uint32_t end)
{
    for (const struct contents *c = list; c != NULL; c = c->next) {
        size_t size = (size_t)c->count * SP_PAGE_SIZE;

        if (c->page >= end)
            continue;
        /* A short count is the fault of a task that has cut its extent. */
        if (pwrite(fd, c->bytes, size, (off_t)c->page * (off_t)SP_PAGE_SIZE) < 0)
            return -errno;
    }
    return 0;
}

void contents_forget(struct contents *list, uint32_t page)
{
    for (struct contents *c = list; c != NULL; c = c->next)
        if (page >= c->page && page - c->page < c->count)
            memset(c->bytes + (size_t)(page - c->page) * SP_PAGE_SIZE, 0, SP_PAGE_SIZE);
}

/* Pages whose bytes are on their way to an extent, in a list: the ones behind are written later. */
#ifndef PHYSMEM_CONTENTS_H
#define PHYSMEM_CONTENTS_H

#include <stdint.h>

/* Contents of pages in a row that are on their way to an extent. */
struct contents {
    struct contents *next;
    uint32_t page;
    uint32_t count;
    uint8_t bytes[];
};

/* Free a list, which is empty then. */
void contents_free(struct contents **listp);

/* The bytes that a page has when all of the list is written, or NULL if the list does not name it. */
const uint8_t *contents_find(const struct contents *list, uint32_t page);

/* Write the list to the memory behind `fd`, which ends before page `end`: what would lie behind it is of no use any more.
 * Returns 0 or a negative errno. */
int contents_write(int fd, const struct contents *list, uint32_t end);

/* A page will be cleared: whatever the list would write to it is zeros from now on. */
void contents_forget(struct contents *list, uint32_t page);

#endif

/* From the ids of a trace to pages, for hooks that answer with an id. Grows as needed; entries stay. */
#ifndef ADAPTER_IDS_H
#define ADAPTER_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <selfpage/policy.h>

struct ids_slot {
    uint64_t id;
    uint64_t page_plus1; /* 0: a free slot */
};

/* Zeros are an empty table. */
struct ids {
    struct ids_slot *slots; /* open addressing; a power of two of them, at most half full */
    size_t slot_count;
    size_t used;
};

/* Note that `page` has this id. False: there is no memory. */
bool ids_note(struct ids *ids, uint64_t id, sp_page page);

/* The page of an id, or SP_NO_PAGE. */
sp_page ids_page(const struct ids *ids, uint64_t id);

void ids_fini(struct ids *ids);

#endif

/* Parts of contracts, found by their tokens: a hash table that grows by doubling. Tokens are random,
 * so they are their own hash. Members are embedded in nothing else, and do not move. */
#ifndef CORE_CONTRACTS_PART_TABLE_H
#define CORE_CONTRACTS_PART_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/allocator.h"

struct contract;

/* Frames that were split off from a contract, and what became of them. */
struct part {
    uint64_t token;
    uint32_t number; /* within the task that split it off; shared with its contracts' */
    uint32_t frames; /* all that is below, included */
    struct contract *from;
    struct contract *to; /* NULL: not claimed */
    bool called_back;    /* its return was asked for: that it comes is no news */
    bool untold;         /* it changed since the task that split it off was told */
    uint64_t told_until; /* that task is not told before of another change */
    struct part *next_untold;
    struct part *next; /* of the same contract */
    struct part *next_in_bucket;
};

struct part_table {
    struct part **bucket;
    uint32_t buckets; /* a power of two, or 0 */
    uint32_t parts;
    const struct allocator *allocator;
};

void part_table_init(struct part_table *table, const struct allocator *allocator);

/* The table is empty. */
void part_table_fini(struct part_table *table);

/* Add a part, whose token is in no other. Returns 0 or -ENOMEM. */
int part_table_add(struct part_table *table, struct part *part);

void part_table_remove(struct part_table *table, struct part *part);

/* The part with this token, or NULL. */
struct part *part_table_find(const struct part_table *table, uint64_t token);

#endif

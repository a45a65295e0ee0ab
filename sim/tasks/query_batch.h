/* The queries of selfpage-query: a batch of them asks for records by their keys in one column. */
#ifndef TASKS_QUERY_BATCH_H
#define TASKS_QUERY_BATCH_H

#include "query_table.h"

/* One query. */
struct asked {
    uint64_t key;
    uint32_t record;     /* the record with this key; from `records` on: there is no such record */
    uint32_t next_plus1; /* in its bucket; 0: the last */
    bool answered;
};

/* In private memory. */
struct batch {
    const struct table *table;
    unsigned column;
    size_t queries;
    struct asked *asked;
    uint32_t *bucket; /* for a scan: the last query with this hash, plus 1 */
    size_t bucket_mask;
};

/* Room for batches of `queries` queries. Ends the program if there is none. */
void batch_init(struct batch *batch, const struct table *table, size_t queries);
void batch_fini(struct batch *batch);

/* Draw the queries of the number'th batch, one in nine for a key that no record has. */
void batch_ask(struct batch *batch, uint64_t number, unsigned column);

/* The answer to the i-th query is what was found, or NULL; ends the program with status 1 if that is
 * wrong. Returns a number made from it; their sum over a batch does not depend on how the answers
 * were found. */
uint64_t batch_answer(const struct batch *batch, size_t i, const struct record *found);

/* Answer the queries from the i-th on in one go over the table. Returns the sum of the answers. */
uint64_t batch_scan(struct batch *batch, size_t i);

#endif

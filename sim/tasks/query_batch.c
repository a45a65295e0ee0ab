#include "query_batch.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);

    if (memory == NULL)
        errx(EXIT_CANNOT, "no memory for a batch of queries: %zu times %zu bytes", count, size);
    return memory;
}

void batch_init(struct batch *batch, const struct table *table, size_t queries)
{
    size_t buckets = 1;

    while (buckets < 2 * queries)
        buckets *= 2;
    *batch = (struct batch){.table = table,
                            .queries = queries,
                            .asked = allocate(queries, sizeof(struct asked)),
                            .bucket = allocate(buckets, sizeof(uint32_t)),
                            .bucket_mask = buckets - 1};
}

void batch_fini(struct batch *batch)
{
    free(batch->bucket);
    free(batch->asked);
}

void batch_ask(struct batch *batch, uint64_t number, unsigned column)
{
    struct generator random = {mix64(batch->table->seed) + number};
    uint32_t records = (uint32_t)batch->table->records;

    batch->column = column;
    for (size_t i = 0; i < batch->queries; i++) {
        uint32_t record = generator_below(&random, records + records / 8);

        batch->asked[i] =
            (struct asked){.key = table_key(batch->table, record, column), .record = record};
    }
}

uint64_t batch_answer(const struct batch *batch, size_t i, const struct record *found)
{
    const struct asked *asked = &batch->asked[i];

    if ((found == NULL) != (asked->record >= batch->table->records))
        errx(EXIT_NO, "record %u was %s", asked->record, found == NULL ? "not found" : "made up");
    if (found == NULL)
        return mix64(asked->key);
    if (found != &batch->table->record[asked->record])
        errx(EXIT_NO, "another record than %u was found", asked->record);
    if (!record_is_good(found))
        errx(EXIT_NO, "record %u: its checksum does not fit its contents", asked->record);
    return mix64(asked->key + found->word[0]);
}

static uint32_t *bucket_of(const struct batch *batch, uint64_t key)
{
    return &batch->bucket[mix64(key) & batch->bucket_mask];
}

/* Answer the queries that one record answers. */
static uint64_t answer_by(struct batch *batch, const struct record *record)
{
    uint64_t key = record->key[batch->column], sum = 0;
    uint32_t next;

    for (uint32_t i = *bucket_of(batch, key); i != 0; i = next) {
        struct asked *asked = &batch->asked[i - 1];

        next = asked->next_plus1;
        if (asked->key != key)
            continue;
        sum += batch_answer(batch, i - 1, record);
        asked->answered = true;
    }
    return sum;
}

uint64_t batch_scan(struct batch *batch, size_t i)
{
    uint64_t sum = 0;

    memset(batch->bucket, 0, (batch->bucket_mask + 1) * sizeof(batch->bucket[0]));
    for (size_t q = i; q < batch->queries; q++) {
        uint32_t *bucket = bucket_of(batch, batch->asked[q].key);

        batch->asked[q].next_plus1 = *bucket;
        *bucket = (uint32_t)q + 1;
    }
    for (size_t r = 0; r < batch->table->records; r++)
        sum += answer_by(batch, &batch->table->record[r]);
    for (size_t q = i; q < batch->queries; q++)
        if (!batch->asked[q].answered)
            sum += batch_answer(batch, q, NULL);
    return sum;
}

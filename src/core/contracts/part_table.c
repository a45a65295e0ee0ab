#include "core/contracts/part_table.h"

#include "base/assert.h"
#include "base/memory.h"

#define BUCKETS_FIRST 16u

void part_table_init(struct part_table *table, const struct allocator *allocator)
{
    *table = (struct part_table){.allocator = allocator};
}

void part_table_fini(struct part_table *table)
{
    check(table->parts == 0);
    memory_free(table->allocator, table->bucket, table->buckets * sizeof(struct part *));
    part_table_init(table, table->allocator);
}

static struct part **bucket_of(const struct part_table *table, uint64_t token)
{
    check(table->buckets > 0 && (table->buckets & (table->buckets - 1)) == 0);
    return &table->bucket[token & (table->buckets - 1)];
}

static void put(struct part_table *table, struct part *part)
{
    struct part **bucket = bucket_of(table, part->token);

    ensure(part->token != 0);
    part->next_in_bucket = *bucket;
    *bucket = part;
}

/* Double the number of buckets. If there is no memory for them, the table stays as it is. */
static void grow(struct part_table *table)
{
    struct part_table old = *table;

    check(table->parts >= table->buckets);
    table->buckets = old.buckets > 0 ? 2 * old.buckets : BUCKETS_FIRST;
    table->bucket = memory_new(table->allocator, table->buckets * sizeof(struct part *));
    if (table->bucket == NULL) {
        *table = old;
        return;
    }
    for (uint32_t i = 0; i < old.buckets; i++) {
        struct part *next;

        for (struct part *part = old.bucket[i]; part != NULL; part = next) {
            next = part->next_in_bucket;
            put(table, part);
        }
    }
    memory_free(table->allocator, old.bucket, old.buckets * sizeof(struct part *));
}

int part_table_add(struct part_table *table, struct part *part)
{
    check(part_table_find(table, part->token) == NULL);
    if (table->parts >= table->buckets && table->buckets < UINT32_MAX / 2)
        grow(table);
    if (table->buckets == 0)
        return -ENOMEM;
    put(table, part);
    table->parts++;
    return 0;
}

void part_table_remove(struct part_table *table, struct part *part)
{
    struct part **linkp = bucket_of(table, part->token);

    ensure(table->parts > 0);
    while (*linkp != part) {
        ensure(*linkp != NULL); /* it is in the table */
        linkp = &(*linkp)->next_in_bucket;
    }
    *linkp = part->next_in_bucket;
    table->parts--;
    check(part_table_find(table, part->token) == NULL);
}

struct part *part_table_find(const struct part_table *table, uint64_t token)
{
    struct part *part = table->buckets > 0 ? *bucket_of(table, token) : NULL;

    while (part != NULL && part->token != token)
        part = part->next_in_bucket;
    check(part == NULL || part->token == token);
    return part;
}

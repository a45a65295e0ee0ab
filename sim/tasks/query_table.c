#include "query_table.h"

#include <xxhash.h>

#include "common.h"

/* Zeros: free. The tag saves looking at most records that are not meant. */
struct entry {
    uint32_t tag;
    uint32_t record_plus1;
};

#define PAGE_ENTRIES (SP_PAGE_SIZE / sizeof(struct entry) - 1)

struct index_page {
    uint64_t build; /* the mark */
    struct entry entry[PAGE_ENTRIES];
};
_Static_assert(sizeof(struct index_page) == SP_PAGE_SIZE, "marks are at the beginnings of pages");

/* Where in an index a search is. */
struct place {
    struct index_page *page;
    size_t entry;
};

/* ---- Records ---- */

static uint64_t record_checksum(const struct record *record)
{
    return XXH3_64bits(record->key, sizeof(*record) - sizeof(record->checksum));
}

uint64_t table_key(const struct table *table, uint64_t record, unsigned column)
{
    return mix64(table->seed + record * COLUMNS + column + 1);
}

void table_create(struct table *table, struct sp_task *task, size_t records, uint64_t seed)
{
    struct generator random = {seed};
    size_t bytes = records * sizeof(struct record);

    *table = (struct table){.task = task,
                            .record = region_create(task, bytes, SP_PRECIOUS, 0),
                            .records = records,
                            .pages = (bytes + SP_PAGE_SIZE - 1) / SP_PAGE_SIZE,
                            .seed = seed};
    for (size_t i = 0; i < records; i++) {
        struct record *record = &table->record[i];

        for (unsigned c = 0; c < COLUMNS; c++)
            record->key[c] = table_key(table, i, c);
        for (unsigned w = 0; w < sizeof(record->word) / sizeof(record->word[0]); w++)
            record->word[w] = generator_bits(&random);
        record->checksum = record_checksum(record);
    }
}

bool record_is_good(const struct record *record)
{
    return record->checksum == record_checksum(record);
}

/* ---- Indexes ---- */

void index_create(struct index *index, const struct table *table, unsigned column,
                  enum sp_kind kind)
{
    index->table = table;
    index->column = column;
    index->kind = kind;
    index->pages = (2 * table->records + PAGE_ENTRIES - 1) / PAGE_ENTRIES;
    index->page = region_create(table->task, index->pages * SP_PAGE_SIZE, kind, 0);
    index->build = 0;
}

static struct place place_of(const struct index *index, uint64_t hash)
{
    size_t entry = (size_t)(((hash >> 32) * index->pages * PAGE_ENTRIES) >> 32);

    return (struct place){&index->page[entry / PAGE_ENTRIES], entry % PAGE_ENTRIES};
}

static void place_advance(const struct index *index, struct place *place)
{
    if (++place->entry < PAGE_ENTRIES)
        return;
    place->entry = 0;
    if (++place->page == index->page + index->pages)
        place->page = index->page;
}

/* Whether a page is still as it was made. If it is, everything read from it before is valid, too. */
static bool page_is_whole(const struct index_page *page, uint64_t build)
{
    atomic_thread_fence(memory_order_acquire);
    return *(const volatile uint64_t *)&page->build == build;
}

static void insert(struct index *index, uint64_t key, uint32_t record)
{
    uint64_t hash = mix64(key);
    struct place place = place_of(index, hash);

    while (place.page->entry[place.entry].record_plus1 != 0)
        place_advance(index, &place);
    place.page->entry[place.entry] = (struct entry){(uint32_t)hash, record + 1};
}

bool index_build(struct index *index, uint64_t build)
{
    const struct table *table = index->table;
    bool whole = true;

    if (index->kind == SP_DISCARDABLE)
        sp_discard(table->task, index->page, index->pages); /* what is left of the last one */
    for (size_t i = 0; i < index->pages; i++)
        index->page[i].build = build;
    for (size_t i = 0; i < table->records; i++)
        insert(index, table->record[i].key[index->column], (uint32_t)i);
    for (size_t i = 0; i < index->pages && whole; i++)
        whole = page_is_whole(&index->page[i], build);
    if (whole)
        atomic_store(&index->build, build);
    return whole;
}

bool index_find(const struct index *index, uint64_t key, const struct record **foundp)
{
    uint64_t hash = mix64(key), build = index->build;
    struct place place = place_of(index, hash);

    for (;; place_advance(index, &place)) {
        const volatile struct entry *at = &place.page->entry[place.entry];
        struct entry entry = {at->tag, at->record_plus1};

        *foundp = NULL;
        if (build == 0 || !page_is_whole(place.page, build))
            return false;
        if (entry.record_plus1 == 0)
            return true;
        *foundp = &index->table->record[entry.record_plus1 - 1];
        if (entry.tag == (uint32_t)hash && (*foundp)->key[index->column] == key)
            return true;
    }
}

long index_drop(struct index *index)
{
    long pages;

    if (atomic_exchange(&index->build, 0) == 0)
        return -1;
    pages = sp_discard(index->table->task, index->page, index->pages);
    return pages > 0 ? pages : 0;
}

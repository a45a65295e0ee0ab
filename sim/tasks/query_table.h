/* The table of selfpage-query, and the indexes of its columns, in managed memory.
 *
 * An index is a hash table on pages that may be dropped at any time, all or some of them, by the
 * program or by the library: each page begins with the number of the build that made it, and has a
 * zero there once it was dropped. A reader of an entry looks at that mark afterwards. */
#ifndef TASKS_QUERY_TABLE_H
#define TASKS_QUERY_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <selfpage/selfpage.h>

#define COLUMNS 8u

struct record {
    uint64_t checksum; /* XXH3 of what follows */
    uint64_t key[COLUMNS];
    uint64_t word[7];
};

struct table {
    struct sp_task *task;
    struct record *record; /* managed, precious */
    size_t records, pages;
    uint64_t seed;
};

struct index_page;

struct index {
    const struct table *table;
    unsigned column;
    enum sp_kind kind;
    struct index_page *page; /* managed */
    size_t pages;
    _Atomic uint64_t build; /* the number of the build that made it; 0: it is not there */
};

/* Make a table of records drawn from a seed. */
void table_create(struct table *table, struct sp_task *task, size_t records, uint64_t seed);

/* The key that a record has in a column, or would have: no two are equal. */
uint64_t table_key(const struct table *table, uint64_t record, unsigned column);

/* Whether a record is as it was made. */
bool record_is_good(const struct record *record);

/* An index that is not there yet. */
void index_create(struct index *index, const struct table *table, unsigned column,
                  enum sp_kind kind);

/* Make it, in one go over the table; `build` is another number each time. False if pages of it were
 * taken away meanwhile, and it is not there. */
bool index_build(struct index *index, uint64_t build);

/* Look a key up; *foundp becomes NULL if no record has it. False if the index is not there, or a
 * page of it that matters. */
bool index_find(const struct index *index, uint64_t key, const struct record **foundp);

/* Drop it. Returns the frames that came free; -1 if it was not there. Any thread may. */
long index_drop(struct index *index);

#endif

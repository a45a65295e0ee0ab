/* Which instructions of a task fault, and on which regions: a table in a file that the task library writes while
 * the task runs (SELFPAGE_FAULTS), and that `selfpage faults` reads, also after a task that was killed.
 *
 * A row stands for one region that the program made; a site for one instruction and one row. Both only come,
 * and counters only rise. When there is no room the table does without: regions after the last row share it,
 * and faults at sites that found no place are counted in `lost`. Objects are the files that code was mapped
 * from, with which a reader turns addresses into lines.
 *
 * One thread writes at a time, but for objects, which another one may add meanwhile. A reader looks at all of it with fault_table_check before it uses any: the file
 * may have been written by anything. */
#ifndef SHM_FAULT_TABLE_H
#define SHM_FAULT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAULT_TABLE_MAGIC   UINT64_C(0x314c424154544c46) /* "FLTTABL1", little-endian */
#define FAULT_TABLE_SITES   4096u                        /* a power of two */
#define FAULT_TABLE_ROWS    256u
#define FAULT_TABLE_OBJECTS 192u
#define FAULT_TABLE_PATH    256u
#define FAULT_TABLE_NAME    64u

/* What became of pages of one region. Pages are those of the task's pager. */
struct fault_tally {
    uint64_t faults;  /* pages that had no frame, and got one, since they were touched */
    uint64_t evicted; /* that lost it, for a fault or a recall */
    uint64_t stored;  /* that were sent to swap */
    uint64_t dropped; /* evicted pages whose contents went with them */
    uint64_t loaded;  /* contents that came from swap, also ahead of need */
};

struct fault_row {
    uint64_t code;    /* where the region was made: the return address; 0: not told */
    uint64_t address; /* of its first page */
    uint64_t pages;
    uint32_t kind; /* enum sp_kind */
    uint32_t reserved;
    struct fault_tally tally;
};

struct fault_site {
    uint64_t code; /* address of the instruction; 0: no site */
    uint32_t row;  /* index */
    uint32_t last; /* page of the last fault that loaded */
    uint64_t faults;
    uint64_t soft;    /* faults on pages that had a frame */
    uint64_t evicted; /* pages that were evicted while these faults were served */
    uint64_t stored;  /* of these, sent to swap */
    uint64_t loads;   /* faults whose page came from swap */
    uint64_t ahead;   /* pages that were loaded with them, ahead of need */
    uint64_t strides; /* loads that came `stride` pages after the last one */
    int32_t stride;   /* the one that was seen when this was last doubted */
    int32_t doubts;
    /* What a hint says of the instruction. */
    uint32_t hint_pages; /* 0: nothing */
    int32_t hint_stride;
};

/* A piece of a file from which code is mapped. */
struct fault_object {
    uint64_t first, end; /* addresses */
    uint64_t offset;     /* in the file, of `first` */
    char path[FAULT_TABLE_PATH];
};

struct fault_table {
    uint64_t magic;
    uint64_t size; /* of this struct */
    uint32_t page_bytes;
    uint32_t rows;    /* in use */
    uint32_t sites;   /* in use */
    uint32_t objects; /* in use */
    uint64_t lost;    /* faults at sites that found no place */
    uint64_t regions; /* that were made, also those without a row of their own */
    char task[FAULT_TABLE_NAME];
    struct fault_row row[FAULT_TABLE_ROWS];
    struct fault_site site[FAULT_TABLE_SITES];
    struct fault_object object[FAULT_TABLE_OBJECTS];
};

/* Begin a table, of zeros, for a task whose pager has pages of so many bytes. A long name is cut. */
void fault_table_begin(struct fault_table *table, const char *task, uint32_t page_bytes);

/* A row for a region that was made; the last row if there is no other. */
struct fault_row *fault_table_add_row(struct fault_table *table, const struct fault_row *row);

/* The site of an instruction (`code` is not 0) that faults on a region; a new one if there is none: then *newp
 * is set, which is otherwise cleared. NULL, and counted as lost: there is no place. */
struct fault_site *fault_table_find_site(struct fault_table *table, uint64_t code, uint32_t row,
                                         bool *newp);

/* A load by a site: does it go on at the stride of the last ones? Call once for each, with its page. */
void fault_table_stride(struct fault_site *site, uint32_t page);

/* Note a piece of a file. False: it is known, or there is no room. A long path is cut at its front. */
bool fault_table_add_object(struct fault_table *table, uint64_t first, uint64_t end,
                            uint64_t offset, const char *path);

/* The object that an address lies in, or NULL. */
const struct fault_object *fault_table_object_at(const struct fault_table *table, uint64_t code);

/* Is this a table of this version that can be used without harm? NULL, or what is wrong with it. */
const char *fault_table_check(const struct fault_table *table, size_t size);

#endif

/* Pages in buckets by how often they were referenced, in order of last reference within each; all
 * operations, halving every page's count among them, take constant time.
 *
 * Counts go up to BUCKETS - 1. A page notes its count and how many halvings there had been when it
 * had it; its count now is that shifted by the halvings since, and that is the bucket it is in,
 * since halving joins each two neighbouring buckets to one. Zeros are a set of empty buckets. */
#ifndef POLICY_BUCKETS_H
#define POLICY_BUCKETS_H

#include <selfpage/page_list.h>

#define BUCKETS 256u

struct bucket_cell {
    uint32_t count;
    uint32_t halvings; /* when it had this count */
};

struct buckets {
    struct sp_link *links; /* both by page, and inside the policy's state */
    struct bucket_cell *cells;
    uint32_t halvings;
    uint64_t filled[BUCKETS / 64]; /* a bit for each bucket that is not empty */
    struct sp_list lists[BUCKETS];
};

/* Bytes that buckets of `pages` pages take besides the struct. */
size_t buckets_size(uint32_t pages);

/* Use `memory`, of buckets_size(pages) zeros, aligned as the links are. */
void buckets_init(struct buckets *buckets, void *memory, uint32_t pages);

/* The count of a page; of one that is in no bucket, what it was when it left, aged. */
uint32_t buckets_count(const struct buckets *buckets, sp_page page);

/* Put a page that is in no bucket, or one that is, where it belongs with `count`, as the page of
 * that count that was referenced last. Counts beyond BUCKETS - 1 are that. */
void buckets_add(struct buckets *buckets, sp_page page, uint32_t count);
void buckets_change(struct buckets *buckets, sp_page page, uint32_t count);

/* Take a page out of its bucket. */
void buckets_remove(struct buckets *buckets, sp_page page);

/* Of the pages with the least count, the one that was referenced longest ago; SP_NO_PAGE if all
 * buckets are empty. */
sp_page buckets_least(const struct buckets *buckets);

/* Give that page, which there is, the count of 1, as the one of that count that was referenced last. Returns it. */
sp_page buckets_renew(struct buckets *buckets);

/* Halve the count of every page. */
void buckets_halve(struct buckets *buckets);

#endif

/* The page cache: pages of files in a container of the file server's, in chunks. Which chunk gives way, and when one is
 * soft, is the rule of core/cache/chunks.h.
 *
 * A chunk is known by the file, its state (time of change and size) and the number of the chunk in
 * it: a file that has changed is read again. Frames are extra ones; when there are none, another chunk gives its own. */
#ifndef FILESERVER_CACHE_H
#define FILESERVER_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/container.h>

#include "core/cache/chunks.h"

struct chunk_key {
    uint64_t device;
    uint64_t inode;
    uint64_t changed_ns;
    uint64_t size;
    uint64_t number; /* of the chunk in the file */
};

struct chunk {
    struct chunk_key key;
    uint32_t first;     /* slot */
    uint32_t bytes;     /* of the file in it */
    struct chunk *next; /* of the same hash */
    uint64_t stamp;     /* another one when its frames change */
};

struct cache {
    struct sp_task *task;
    sp_container container;
    char *window; /* all of the container, mapped */
    struct chunk *chunk;
    struct chunk **table; /* by hash; as many as chunks */
    uint32_t chunks;
    struct chunks order;
    uint64_t hits; /* of these, `recovered` from soft frames */
    uint64_t recovered;
    uint64_t misses;
    uint64_t forgotten; /* times that cache_drop was called */
    uint64_t stamps;
};

/* A cache of `pages` pages, rounded to chunks; no frame is taken yet. Returns 0 or a negative
 * errno; call cache_fini all the same. */
int cache_init(struct cache *cache, struct sp_task *task, uint32_t pages, struct sp_error *error);
void cache_fini(struct cache *cache);

/* The chunk of this key; NULL if it is not there, or was soft and is gone. Valid until the next call. */
const struct chunk *cache_find(struct cache *cache, const struct chunk_key *key);

/* The chunk of this key, which is not there, with these bytes of the file; `buffer` has room for CHUNKS_PAGES pages.
 * `keep`: others may have it from now on. NULL, and *errorp is a negative errno, if there is none: -ENOMEM: physmem
 * has no frame for it now. Valid until the next call. */
const struct chunk *cache_fill(struct cache *cache, const struct chunk_key *key, char *buffer,
                               uint32_t bytes, bool keep, int *errorp);

/* A chunk that holds nothing yet, with frames, for contents that come from a client: as cache_fill. It
 * is cache_keep that makes it one of a file, as long as its stamp is the same. */
struct chunk *cache_begin(struct cache *cache, int *errorp);

/* The bytes of pages of a chunk. Returns 0 or a negative errno. */
int cache_bytes(struct cache *cache, const struct chunk *chunk, uint32_t page, uint32_t pages,
                char *buffer);

/* A chunk of cache_begin with this stamp holds so many bytes of a file from now on, unless it holds something else. */
void cache_keep(struct cache *cache, const struct chunk *begun, uint64_t stamp,
                const struct chunk_key *key, uint32_t bytes);

/* What the cache holds of a file is not true any more: of chunk key->number, or of all (`whole`). */
void cache_drop(struct cache *cache, const struct chunk_key *key, bool whole);

/* Pages that have frames now. */
uint32_t cache_pages(const struct cache *cache);

/* Give so many frames back, softly, those unused for the longest time first. */
void cache_shrink(struct cache *cache, uint32_t frames);

#endif

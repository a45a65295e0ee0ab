#include "cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define CHUNK_BYTES ((size_t)CACHE_CHUNK * SP_PAGE_SIZE)

/* ---- The table, and the order of use ---- */

static struct chunk **place_of(struct cache *cache, const struct chunk_key *key)
{
    uint64_t hash =
        (key->inode * UINT64_C(0x9e3779b97f4a7c15) ^ key->number) * UINT64_C(0xbf58476d1ce4e5b9);

    check(cache->chunks > 0);
    return &cache->table[(hash >> 32) % cache->chunks];
}

static struct chunk *find(struct cache *cache, const struct chunk_key *key)
{
    struct chunk *chunk = *place_of(cache, key);

    while (chunk != NULL && memcmp(&chunk->key, key, sizeof(*key)) != 0)
        chunk = chunk->next;
    check(chunk == NULL || chunk->state != CHUNK_EMPTY);
    return chunk;
}

static void unlink_chunk(struct cache *cache, struct chunk *chunk)
{
    if (chunk->newer != NULL)
        chunk->newer->older = chunk->older;
    else
        cache->newest = chunk->older;
    if (chunk->older != NULL)
        chunk->older->newer = chunk->newer;
    else
        cache->oldest = chunk->newer;
    check(cache->newest != chunk && cache->oldest != chunk);
}

static void make_newest(struct cache *cache, struct chunk *chunk)
{
    chunk->newer = NULL;
    chunk->older = cache->newest;
    if (cache->newest != NULL)
        cache->newest->newer = chunk;
    else
        cache->oldest = chunk;
    cache->newest = chunk;
}

static void make_oldest(struct cache *cache, struct chunk *chunk)
{
    chunk->older = NULL;
    chunk->newer = cache->oldest;
    if (cache->oldest != NULL)
        cache->oldest->older = chunk;
    else
        cache->newest = chunk;
    cache->oldest = chunk;
}

/* A chunk holds nothing of a file any more; frames that it has it keeps. */
static void forget(struct cache *cache, struct chunk *chunk)
{
    struct chunk **link = place_of(cache, &chunk->key);

    if (chunk->state == CHUNK_EMPTY)
        return;
    while (*link != chunk)
        link = &(*link)->next;
    *link = chunk->next;
    chunk->state = CHUNK_EMPTY;
}

/* A chunk holds what this key says. */
static void hold(struct cache *cache, struct chunk *chunk, const struct chunk_key *key)
{
    check(chunk->state == CHUNK_EMPTY);
    chunk->key = *key;
    chunk->state = CHUNK_HELD;
    chunk->next = *place_of(cache, key);
    *place_of(cache, key) = chunk;
}

static void use(struct cache *cache, struct chunk *chunk)
{
    unlink_chunk(cache, chunk);
    make_newest(cache, chunk);
    check(cache->newest == chunk);
}

/* ---- Life ---- */

int cache_init(struct cache *cache, struct sp_task *task, uint32_t pages, struct sp_error *error)
{
    uint32_t chunks = pages / CACHE_CHUNK;
    int result;

    *cache = (struct cache){.task = task, .chunks = chunks};
    cache->chunk = calloc(chunks, sizeof(*cache->chunk));
    cache->table = calloc(chunks, sizeof(struct chunk *));
    if (cache->chunk == NULL || cache->table == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < chunks; i++) {
        cache->chunk[i].first = i * CACHE_CHUNK;
        make_oldest(cache, &cache->chunk[i]);
    }
    result = sp_container_create(task, chunks * CACHE_CHUNK, &cache->container, error);
    ensure(chunks > 0);
    return result;
}

void cache_fini(struct cache *cache)
{
    free(cache->chunk);
    free(cache->table);
    *cache = (struct cache){.task = NULL};
}

/* ---- Frames ---- */

/* Give a chunk's frames back for good. Returns how many. */
static uint32_t give_back(struct cache *cache, struct chunk *chunk)
{
    long count =
        sp_container_deallocate(cache->task, cache->container, chunk->first, CACHE_CHUNK, NULL);

    forget(cache, chunk);
    chunk->framed = false;
    chunk->stamp = ++cache->stamps;
    check(count <= (long)CACHE_CHUNK);
    return count > 0 ? (uint32_t)count : 0;
}

/* Give back the frames of a chunk other than this, the one unused for the longest time. False if
 * none has any. */
static bool give_back_oldest(struct cache *cache, const struct chunk *but)
{
    check(but != NULL);
    for (struct chunk *chunk = cache->oldest; chunk != NULL; chunk = chunk->newer)
        if (chunk != but && chunk->framed && chunk->state != CHUNK_SOFT)
            return give_back(cache, chunk) > 0;
    return false;
}

/* See that a chunk has frames, whose contents are dropped. Returns 0 or a negative errno. */
static int take_frames(struct cache *cache, struct chunk *chunk)
{
    long result;

    do
        result = sp_container_allocate(cache->task, cache->container, chunk->first, CACHE_CHUNK,
                                       SP_ALLOCATE_SQUASH | SP_ALLOCATE_EXTRA, NULL);
    while (result == -ENOMEM && give_back_oldest(cache, chunk));
    check(result < 0 || result == (long)CACHE_CHUNK);
    chunk->stamp = ++cache->stamps;
    chunk->framed = chunk->framed || result > 0;
    return result < 0 ? (int)result : 0;
}

/* Write the pages of a chunk through a mapping that exists only meanwhile: a page that nobody maps can be copied at
 * once. */
static int write_pages(struct cache *cache, const struct chunk *chunk, const char *bytes)
{
    void *address;
    int result = sp_container_map(cache->task, cache->container, chunk->first, CACHE_CHUNK,
                                  SP_MAP_WRITE, &address, NULL);

    if (result != 0)
        return result;
    memcpy(address, bytes, CHUNK_BYTES);
    return sp_container_unmap(cache->task, address, NULL);
}

/* Have the frames of a soft chunk back. False if one is gone. */
static bool recover(struct cache *cache, struct chunk *chunk)
{
    long recovered =
        sp_container_recover(cache->task, cache->container, chunk->first, CACHE_CHUNK, NULL);

    check(chunk->state == CHUNK_SOFT);
    if (recovered == (long)CACHE_CHUNK) {
        chunk->state = CHUNK_HELD;
        chunk->framed = true;
        return true;
    }
    (void)give_back(cache, chunk);
    return false;
}

const struct chunk *cache_find(struct cache *cache, const struct chunk_key *key)
{
    struct chunk *chunk = find(cache, key);
    bool was_soft = chunk != NULL && chunk->state == CHUNK_SOFT;

    if (chunk == NULL || (was_soft && !recover(cache, chunk)))
        return NULL;
    cache->hits++;
    cache->recovered += was_soft;
    use(cache, chunk);
    check(chunk->state == CHUNK_HELD);
    return chunk;
}

const struct chunk *cache_fill(struct cache *cache, const struct chunk_key *key, char *buffer,
                               uint32_t bytes, bool keep, int *errorp)
{
    struct chunk *chunk = cache->oldest;

    ensure(bytes <= CHUNK_BYTES);
    cache->misses++;
    forget(cache, chunk);
    memset(buffer + bytes, 0, CHUNK_BYTES - bytes);
    *errorp = take_frames(cache, chunk);
    if (*errorp == 0)
        *errorp = write_pages(cache, chunk, buffer);
    if (*errorp != 0)
        return NULL;
    chunk->bytes = bytes;
    if (keep && find(cache, key) == NULL)
        hold(cache, chunk, key);
    use(cache, chunk);
    return chunk;
}

struct chunk *cache_begin(struct cache *cache, int *errorp)
{
    struct chunk *chunk = cache->oldest;

    forget(cache, chunk);
    *errorp = take_frames(cache, chunk);
    check(chunk->state == CHUNK_EMPTY);
    if (*errorp != 0)
        return NULL;
    use(cache, chunk);
    return chunk;
}

int cache_bytes(struct cache *cache, const struct chunk *chunk, uint32_t page, uint32_t pages,
                char *buffer)
{
    void *address;
    int result = sp_container_map(cache->task, cache->container, chunk->first + page, pages, 0,
                                  &address, NULL);

    check(page + pages <= CACHE_CHUNK);
    if (result != 0)
        return result;
    memcpy(buffer, address, (size_t)pages * SP_PAGE_SIZE);
    return sp_container_unmap(cache->task, address, NULL);
}

void cache_keep(struct cache *cache, const struct chunk *begun, uint64_t stamp,
                const struct chunk_key *key, uint32_t bytes)
{
    struct chunk *chunk = &cache->chunk[begun - cache->chunk];

    check(chunk == begun);
    if (chunk->state != CHUNK_EMPTY || chunk->stamp != stamp || find(cache, key) != NULL)
        return;
    chunk->bytes = bytes;
    hold(cache, chunk, key);
    use(cache, chunk);
}

void cache_drop(struct cache *cache, const struct chunk_key *key, bool whole)
{
    check(cache->chunks > 0);
    cache->forgotten++;
    for (uint32_t i = 0; i < cache->chunks; i++) {
        const struct chunk_key *of = &cache->chunk[i].key;

        if (of->inode == key->inode && of->device == key->device &&
            (whole || of->number == key->number))
            forget(cache, &cache->chunk[i]);
    }
}

uint32_t cache_pages(const struct cache *cache)
{
    uint32_t chunks = 0;

    for (uint32_t i = 0; i < cache->chunks; i++)
        chunks += cache->chunk[i].framed;
    check(chunks <= cache->chunks);
    return chunks * CACHE_CHUNK;
}

/* Release a chunk softly, or what holds nothing for good. Returns how many frames that gives. */
static uint32_t release(struct cache *cache, struct chunk *chunk)
{
    long count;

    check(chunk->framed);
    if (chunk->state == CHUNK_EMPTY)
        return give_back(cache, chunk);
    count = sp_container_release(cache->task, cache->container, chunk->first, CACHE_CHUNK, NULL);
    if (count <= 0)
        return 0;
    chunk->state = CHUNK_SOFT;
    chunk->framed = false;
    return (uint32_t)count;
}

void cache_shrink(struct cache *cache, uint32_t frames)
{
    uint32_t released = 0;

    for (struct chunk *chunk = cache->oldest; chunk != NULL && released < frames;
         chunk = chunk->newer)
        if (chunk->framed)
            released += release(cache, chunk);
    check(released <= cache->chunks * CACHE_CHUNK);
}

#include "cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define CHUNK_BYTES ((size_t)CHUNKS_PAGES * SP_PAGE_SIZE)

/* ---- The table ---- */

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
    return chunk;
}

static uint32_t index_of(const struct cache *cache, const struct chunk *chunk)
{
    return (uint32_t)(chunk - cache->chunk);
}

static enum chunk_state state_of(const struct cache *cache, const struct chunk *chunk)
{
    return cache->order.place[index_of(cache, chunk)].state;
}

static void use(struct cache *cache, const struct chunk *chunk)
{
    chunks_use(&cache->order, index_of(cache, chunk));
}

/* A chunk holds nothing of a file any more; frames that it has it keeps. */
static void forget(struct cache *cache, struct chunk *chunk)
{
    struct chunk **link = place_of(cache, &chunk->key);

    if (state_of(cache, chunk) == CHUNK_EMPTY)
        return;
    while (*link != chunk)
        link = &(*link)->next;
    *link = chunk->next;
    chunks_forget(&cache->order, index_of(cache, chunk));
}

/* A chunk holds what this key says. */
static void hold(struct cache *cache, struct chunk *chunk, const struct chunk_key *key)
{
    chunks_hold(&cache->order, index_of(cache, chunk));
    chunk->key = *key;
    chunk->next = *place_of(cache, key);
    *place_of(cache, key) = chunk;
}

/* ---- Life ---- */

int cache_init(struct cache *cache, struct sp_task *task, uint32_t pages, struct sp_error *error)
{
    uint32_t chunks = pages / CHUNKS_PAGES;
    struct chunk_place *place = calloc(chunks, sizeof(*place));
    int result;

    *cache = (struct cache){.task = task, .chunks = chunks, .order = {.place = place}};
    cache->chunk = calloc(chunks, sizeof(*cache->chunk));
    cache->table = calloc(chunks, sizeof(struct chunk *));
    if (place == NULL || cache->chunk == NULL || cache->table == NULL)
        return -ENOMEM;
    chunks_init(&cache->order, place, chunks);
    for (uint32_t i = 0; i < chunks; i++)
        cache->chunk[i].first = i * CHUNKS_PAGES;
    result = sp_container_create(task, chunks * CHUNKS_PAGES, &cache->container, error);
    ensure(chunks > 0);
    return result;
}

void cache_fini(struct cache *cache)
{
    free(cache->chunk);
    free(cache->table);
    free(cache->order.place);
    *cache = (struct cache){.task = NULL};
}

/* ---- Frames ---- */

/* Give a chunk's frames back for good. Returns how many. */
static uint32_t give_back(struct cache *cache, struct chunk *chunk)
{
    long count =
        sp_container_deallocate(cache->task, cache->container, chunk->first, CHUNKS_PAGES, NULL);

    forget(cache, chunk);
    chunks_give_back(&cache->order, index_of(cache, chunk));
    chunk->stamp = ++cache->stamps;
    check(count <= (long)CHUNKS_PAGES);
    return count > 0 ? (uint32_t)count : 0;
}

/* Give back the frames of another chunk than this. False if none has any. */
static bool give_back_other(struct cache *cache, const struct chunk *but)
{
    uint32_t giver = chunks_giver(&cache->order, index_of(cache, but));

    return giver != CHUNKS_NONE && give_back(cache, &cache->chunk[giver]) > 0;
}

/* See that a chunk has frames, whose contents are dropped. Returns 0 or a negative errno. */
static int take_frames(struct cache *cache, struct chunk *chunk)
{
    long result;

    do
        result = sp_container_allocate(cache->task, cache->container, chunk->first, CHUNKS_PAGES,
                                       SP_ALLOCATE_SQUASH | SP_ALLOCATE_EXTRA, NULL);
    while (result == -ENOMEM && give_back_other(cache, chunk));
    check(result < 0 || result == (long)CHUNKS_PAGES);
    chunk->stamp = ++cache->stamps;
    if (result > 0)
        chunks_frame(&cache->order, index_of(cache, chunk));
    return result < 0 ? (int)result : 0;
}

/* Write the pages of a chunk through a mapping that exists only meanwhile: a page that nobody maps can be copied at
 * once. */
static int write_pages(struct cache *cache, const struct chunk *chunk, const char *bytes)
{
    void *address;
    int result = sp_container_map(cache->task, cache->container, chunk->first, CHUNKS_PAGES,
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
        sp_container_recover(cache->task, cache->container, chunk->first, CHUNKS_PAGES, NULL);

    if (recovered == (long)CHUNKS_PAGES) {
        chunks_recover(&cache->order, index_of(cache, chunk));
        return true;
    }
    (void)give_back(cache, chunk);
    return false;
}

const struct chunk *cache_find(struct cache *cache, const struct chunk_key *key)
{
    struct chunk *chunk = find(cache, key);
    bool was_soft = chunk != NULL && state_of(cache, chunk) == CHUNK_SOFT;

    if (chunk == NULL || (was_soft && !recover(cache, chunk)))
        return NULL;
    cache->hits++;
    cache->recovered += was_soft;
    use(cache, chunk);
    check(state_of(cache, chunk) == CHUNK_HELD);
    return chunk;
}

const struct chunk *cache_fill(struct cache *cache, const struct chunk_key *key, char *buffer,
                               uint32_t bytes, bool keep, int *errorp)
{
    struct chunk *chunk = &cache->chunk[chunks_victim(&cache->order)];

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
    struct chunk *chunk = &cache->chunk[chunks_victim(&cache->order)];

    forget(cache, chunk);
    *errorp = take_frames(cache, chunk);
    check(state_of(cache, chunk) == CHUNK_EMPTY);
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

    check(page + pages <= CHUNKS_PAGES);
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
    if (state_of(cache, chunk) != CHUNK_EMPTY || chunk->stamp != stamp || find(cache, key) != NULL)
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
    return chunks_pages(&cache->order);
}

/* Release a chunk softly, or what holds nothing for good. Returns how many frames that gives. */
static uint32_t release(struct cache *cache, struct chunk *chunk)
{
    long count;

    if (state_of(cache, chunk) == CHUNK_EMPTY)
        return give_back(cache, chunk);
    count = sp_container_release(cache->task, cache->container, chunk->first, CHUNKS_PAGES, NULL);
    if (count <= 0)
        return 0;
    chunks_release(&cache->order, index_of(cache, chunk));
    return (uint32_t)count;
}

void cache_shrink(struct cache *cache, uint32_t frames)
{
    uint32_t released = 0;

    for (uint32_t i = chunks_next(&cache->order, CHUNKS_NONE);
         i != CHUNKS_NONE && released < frames; i = chunks_next(&cache->order, i))
        released += release(cache, &cache->chunk[i]);
    check(released <= cache->chunks * CHUNKS_PAGES);
}

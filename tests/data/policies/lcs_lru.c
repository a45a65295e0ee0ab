/* A plug-in for libCacheSim, as its users write them: least recently used, in a table that grows,
 * against declarations of the interface that are this file's own. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t obj_id_t;

typedef struct {
    uint64_t cache_size;
    uint64_t default_ttl;
    int32_t hashpower;
    bool consider_obj_metadata;
} common_cache_params_t;

typedef struct request { /* its beginning: what plug-ins read */
    int64_t clock_time;
    uint64_t hv;
    obj_id_t obj_id;
    int64_t obj_size;
} request_t;

struct entry {
    uint64_t last; /* 0: not in */
};

struct lru {
    uint64_t capacity, clock, ids;
    struct entry *entry;
};

void *cache_init_hook(const common_cache_params_t params);
void cache_hit_hook(void *data, const request_t *req);
void cache_miss_hook(void *data, const request_t *req);
obj_id_t cache_eviction_hook(void *data, const request_t *req);
void cache_remove_hook(void *data, const obj_id_t id);
void cache_free_hook(void *data);

void *cache_init_hook(const common_cache_params_t params)
{
    struct lru *lru = calloc(1, sizeof(*lru));

    if (lru == NULL || params.cache_size == 0)
        abort();
    lru->capacity = params.cache_size;
    return lru;
}

void cache_hit_hook(void *data, const request_t *req)
{
    struct lru *lru = data;

    lru->entry[req->obj_id].last = ++lru->clock;
}

void cache_miss_hook(void *data, const request_t *req)
{
    struct lru *lru = data;

    if (req->obj_size != 1)
        abort();
    if (req->obj_id >= lru->ids) {
        uint64_t ids = 2 * req->obj_id + 16;

        lru->entry = realloc(lru->entry, ids * sizeof(struct entry));
        if (lru->entry == NULL)
            abort();
        memset(lru->entry + lru->ids, 0, (ids - lru->ids) * sizeof(struct entry));
        lru->ids = ids;
    }
    lru->entry[req->obj_id].last = ++lru->clock;
}

obj_id_t cache_eviction_hook(void *data, const request_t *req)
{
    struct lru *lru = data;
    obj_id_t oldest = 0;

    (void)req;
    for (obj_id_t id = 0; id < lru->ids; id++)
        if (lru->entry[id].last != 0 &&
            (lru->entry[oldest].last == 0 || lru->entry[id].last < lru->entry[oldest].last))
            oldest = id;
    if (lru->entry[oldest].last == 0)
        abort();
    lru->entry[oldest].last = 0;
    return oldest;
}

void cache_remove_hook(void *data, const obj_id_t id)
{
    struct lru *lru = data;

    if (lru->entry[id].last == 0)
        abort();
    lru->entry[id].last = 0;
}

void cache_free_hook(void *data)
{
    struct lru *lru = data;

    free(lru->entry);
    free(lru);
}

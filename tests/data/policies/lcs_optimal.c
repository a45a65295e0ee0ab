/* A plug-in for libCacheSim that lives on what a trace says: it evicts the object whose next request
 * is farthest, and knows objects by the ids of the trace. It aborts if it is told less. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define ID_LEAST UINT64_C(5000000000) /* what the trace's ids begin with */
#define UNKNOWN  (-2)

typedef struct {
    uint64_t cache_size;
    uint64_t default_ttl;
    int32_t hashpower;
    bool consider_obj_metadata;
} common_cache_params_t;

typedef struct request { /* its beginning: what plug-ins read */
    int64_t clock_time;
    uint64_t hv;
    uint64_t obj_id;
    int64_t obj_size;
    int32_t ttl;
    int32_t op;
    int32_t tenant_id;
    uint64_t n_req;
    int64_t next_access_vtime;
} request_t;

struct object {
    uint64_t id;
    int64_t next;
};

struct optimal {
    uint64_t capacity, count;
    struct object object[];
};

void *cache_init_hook(const common_cache_params_t params);
void cache_hit_hook(void *data, const request_t *req);
void cache_miss_hook(void *data, const request_t *req);
uint64_t cache_eviction_hook(void *data, const request_t *req);
void cache_remove_hook(void *data, const uint64_t id);
void cache_free_hook(void *data);

void *cache_init_hook(const common_cache_params_t params)
{
    struct optimal *o = calloc(1, sizeof(*o) + params.cache_size * sizeof(o->object[0]));

    if (o == NULL)
        abort();
    o->capacity = params.cache_size;
    return o;
}

static struct object *find(struct optimal *o, uint64_t id)
{
    for (uint64_t i = 0; i < o->count; i++)
        if (o->object[i].id == id)
            return &o->object[i];
    abort();
}

/* n_req counts from 1, what comes next from 0. */
static int64_t next_of(const request_t *req)
{
    if (req->obj_id < ID_LEAST || req->next_access_vtime == UNKNOWN ||
        req->next_access_vtime < (int64_t)req->n_req)
        abort();
    return req->next_access_vtime;
}

void cache_hit_hook(void *data, const request_t *req)
{
    find(data, req->obj_id)->next = next_of(req);
}

void cache_miss_hook(void *data, const request_t *req)
{
    struct optimal *o = data;

    if (o->count == o->capacity)
        abort();
    o->object[o->count++] = (struct object){req->obj_id, next_of(req)};
}

void cache_remove_hook(void *data, const uint64_t id)
{
    struct optimal *o = data;

    *find(o, id) = o->object[--o->count];
}

uint64_t cache_eviction_hook(void *data, const request_t *req)
{
    struct optimal *o = data;
    struct object farthest = o->object[0];

    next_of(req);
    for (uint64_t i = 1; i < o->count; i++)
        if (o->object[i].next > farthest.next)
            farthest = o->object[i];
    cache_remove_hook(o, farthest.id);
    return farthest.id;
}

void cache_free_hook(void *data)
{
    free(data);
}

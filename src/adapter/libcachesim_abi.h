/* What a plug-in for libCacheSim's pluginCache (its plug-in interface of version 2, added in June
 * 2025) is compiled against, as far as an engine has to know it: the layout of the two structs that
 * cross the border, and the types of the six functions. Written from the description of the
 * interface, for its state from mid-2025 on; on LP64 machines the offsets are asserted below. */
#ifndef ADAPTER_LIBCACHESIM_ABI_H
#define ADAPTER_LIBCACHESIM_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIBCACHESIM_FEATURES 16

/* The next access is not known. */
#define LIBCACHESIM_UNKNOWN (-2)

/* Values of libcachesim_request.op that are used here. */
enum {
    LIBCACHESIM_READ = 12,
    LIBCACHESIM_WRITE = 13,
};

/* Passed by value to cache_init_hook (there: common_cache_params_t). */
struct libcachesim_params {
    uint64_t cache_size; /* here: frames; every object has size 1 */
    uint64_t default_ttl;
    int32_t hashpower;
    bool consider_obj_metadata;
};

/* There: request_t. */
struct libcachesim_request {
    int64_t clock_time;
    uint64_t hv;
    uint64_t obj_id;
    int64_t obj_size;
    int32_t ttl;
    int32_t op;
    int32_t tenant_id;
    uint64_t n_req;
    int64_t
        next_access_vtime; /* index of the next request; LIBCACHESIM_UNKNOWN; INT64_MAX: never */
    uint64_t key_and_val_size; /* two bit fields */
    int32_t ns;
    void *eviction_algo_data;
    int64_t vtime_since_last_access;
    int64_t rtime_since_last_access;
    int64_t prev_size;
    int32_t create_rtime;
    bool compulsory_miss;
    bool overwrite;
    bool first_seen_in_window;
    bool valid;
    int32_t n_features;
    int32_t features[LIBCACHESIM_FEATURES];
};

#if defined(__LP64__)
_Static_assert(sizeof(struct libcachesim_params) == 24, "as libCacheSim has it");
_Static_assert(offsetof(struct libcachesim_request, obj_id) == 16, "as libCacheSim has it");
_Static_assert(offsetof(struct libcachesim_request, n_req) == 48, "as libCacheSim has it");
_Static_assert(offsetof(struct libcachesim_request, valid) == 119, "as libCacheSim has it");
#endif

typedef void *libcachesim_init_hook(const struct libcachesim_params params);
typedef void libcachesim_hit_hook(void *data, const struct libcachesim_request *request);
typedef void libcachesim_miss_hook(void *data, const struct libcachesim_request *request);
typedef uint64_t libcachesim_eviction_hook(void *data, const struct libcachesim_request *request);
typedef void libcachesim_remove_hook(void *data, const uint64_t id);
typedef void libcachesim_free_hook(void *data);

#endif

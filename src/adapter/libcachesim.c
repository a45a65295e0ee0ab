#include "adapter/libcachesim.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/ids.h"
#include "adapter/libcachesim_abi.h"
#include "base/error.h"

#define NAME_LONGEST 40u

/* libCacheSim's preset: a hash table of 2^20 objects to begin with. */
#define HASHPOWER 20

/* What a plug-in made for one engine. */
struct instance {
    void *data;
    struct ids ids; /* of pages that came in, where the engine knows ids */
    struct instance *next;
};

struct libcachesim {
    struct sp_policy policy;
    char name[NAME_LONGEST + 1];
    libcachesim_init_hook *init;
    libcachesim_hit_hook *hit;
    libcachesim_miss_hook *miss;
    libcachesim_eviction_hook *eviction;
    libcachesim_remove_hook *remove;
    libcachesim_free_hook *free; /* NULL: the plug-in has none */
    pthread_mutex_t lock;        /* of `instances`: engines may be started by several threads */
    struct instance *instances;
};

/* The state of the policy. */
struct adapter {
    const struct libcachesim *plugin;
    struct sp_policy_env *env;
    void *data;
    struct ids *ids; /* NULL: there was no memory */
    struct libcachesim_request request;
    uint64_t chosen_plus1; /* page that the plug-in let go, still to be removed by the engine */
};

/* An engine hands a policy nothing but numbers. The address of the hooks therefore travels as two
 * of them: its upper and its lower half, which a double holds exactly. */
static void address_to_params(const struct libcachesim *plugin, double *params)
{
    params[0] = (double)((uint64_t)(uintptr_t)plugin >> 32);
    params[1] = (double)((uintptr_t)plugin & UINT32_MAX);
}

static struct libcachesim *address_from_params(const double *params)
{
    return (struct libcachesim *)(uintptr_t)((uint64_t)params[0] << 32 | (uint64_t)params[1]);
}

/* ---- The policy ---- */

static size_t adapter_size(const struct sp_policy_config *config)
{
    (void)config;
    return sizeof(struct adapter);
}

static void adapter_init(void *self, const struct sp_policy_config *config)
{
    struct adapter *adapter = self;
    struct libcachesim *plugin = address_from_params(config->params);
    struct instance *instance = calloc(1, sizeof(*instance));

    adapter->plugin = plugin;
    adapter->env = config->env;
    adapter->data = plugin->init((struct libcachesim_params){
        .cache_size = config->frames, .default_ttl = UINT64_MAX, .hashpower = HASHPOWER});
    if (instance == NULL)
        return; /* the plug-in's memory then stays until the process ends */
    adapter->ids = &instance->ids;
    instance->data = adapter->data;
    pthread_mutex_lock(&plugin->lock);
    instance->next = plugin->instances;
    plugin->instances = instance;
    pthread_mutex_unlock(&plugin->lock);
}

static uint64_t id_of(struct adapter *adapter, sp_page page)
{
    if (page == SP_NO_PAGE)
        return UINT64_MAX;
    return adapter->env->id != NULL ? adapter->env->id(adapter->env, page) : page;
}

/* As an oracleGeneral trace has it: the index, from 0, of the next request for the page. */
static int64_t next_access(struct adapter *adapter, sp_page page)
{
    uint64_t time;

    if (page == SP_NO_PAGE || adapter->env->next_reference == NULL)
        return LIBCACHESIM_UNKNOWN;
    time = adapter->env->next_reference(adapter->env, page);
    return time <= INT64_MAX ? (int64_t)time - 1 : INT64_MAX;
}

static const struct libcachesim_request *request(struct adapter *adapter, sp_page page,
                                                 enum sp_access access)
{
    adapter->request = (struct libcachesim_request){
        .clock_time = (int64_t)adapter->env->time,
        .n_req = adapter->env->time,
        .obj_id = id_of(adapter, page),
        .obj_size = 1,
        .op = access == SP_WRITE ? LIBCACHESIM_WRITE : LIBCACHESIM_READ,
        .next_access_vtime = next_access(adapter, page),
        .valid = page != SP_NO_PAGE,
    };
    return &adapter->request;
}

static void adapter_insert(void *self, sp_page page, enum sp_access access)
{
    struct adapter *adapter = self;

    /* Without memory the page has no id that leads to it: should it be chosen, the engine counts an
     * error and takes another. */
    if (adapter->env->id != NULL && adapter->ids != NULL)
        ids_note(adapter->ids, id_of(adapter, page), page);
    adapter->plugin->miss(adapter->data, request(adapter, page, access));
}

static void adapter_hit(void *self, sp_page page, enum sp_access access)
{
    struct adapter *adapter = self;

    adapter->plugin->hit(adapter->data, request(adapter, page, access));
}

static sp_page adapter_victim(void *self, sp_page incoming)
{
    struct adapter *adapter = self;
    uint64_t id = adapter->plugin->eviction(adapter->data, request(adapter, incoming, SP_READ));
    sp_page page = SP_NO_PAGE;

    if (adapter->env->id == NULL)
        page = id < SP_NO_PAGE ? (sp_page)id : SP_NO_PAGE;
    else if (adapter->ids != NULL)
        page = ids_page(adapter->ids, id);
    adapter->chosen_plus1 = (uint64_t)page + 1;
    return page;
}

static void adapter_remove(void *self, sp_page page, enum sp_removal why)
{
    struct adapter *adapter = self;

    (void)why;
    if (adapter->chosen_plus1 == (uint64_t)page + 1)
        adapter->chosen_plus1 = 0;
    else
        adapter->plugin->remove(adapter->data, id_of(adapter, page));
}

/* ---- Loading ---- */

static int find_hook(void *object, const char *path, const char *name, void *hook, size_t size,
                     struct sp_error *error)
{
    void *symbol = dlsym(object, name);

    if (symbol == NULL)
        return error_set(error, EINVAL, "%s exports no `%s`, which libCacheSim's plug-ins have",
                         path, name);
    memcpy(hook, &symbol, size);
    return 0;
}

/* The file's name as that of a policy: ./libplugin_lru.so is plugin-lru. */
static void name_from_path(char *name, const char *path)
{
    const char *slash = strrchr(path, '/'), *at = slash != NULL ? slash + 1 : path;
    size_t length = 0;

    if (strncmp(at, "lib", 3) == 0 && at[3] != '\0' && at[3] != '.')
        at += 3;
    for (; *at != '\0' && *at != '.' && *at != ':' && length < NAME_LONGEST; at++) {
        char c = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;

        name[length++] = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '-';
    }
    name[length] = '\0';
    if (length == 0)
        strcpy(name, "libcachesim");
}

static int find_hooks(struct libcachesim *a, void *object, const char *path, struct sp_error *error)
{
    int result = find_hook(object, path, "cache_init_hook", &a->init, sizeof(a->init), error);

    if (result == 0)
        result = find_hook(object, path, "cache_hit_hook", &a->hit, sizeof(a->hit), error);
    if (result == 0)
        result = find_hook(object, path, "cache_miss_hook", &a->miss, sizeof(a->miss), error);
    if (result == 0)
        result = find_hook(object, path, "cache_eviction_hook", &a->eviction, sizeof(a->eviction),
                           error);
    if (result == 0)
        result = find_hook(object, path, "cache_remove_hook", &a->remove, sizeof(a->remove), error);
    if (result == 0)
        find_hook(object, path, "cache_free_hook", &a->free, sizeof(a->free), NULL);
    return result;
}

int libcachesim_new(struct libcachesim **adapterp, void *object, const char *path,
                    struct policy_choice *choice, struct sp_error *error)
{
    struct libcachesim *adapter = calloc(1, sizeof(*adapter));
    int result;

    *adapterp = NULL;
    if (adapter == NULL)
        return error_set(error, ENOMEM, "no memory for the policy");
    pthread_mutex_init(&adapter->lock, NULL);
    name_from_path(adapter->name, path);
    adapter->policy = (struct sp_policy){
        .abi = SP_POLICY_ABI,
        .flags = SP_POLICY_WANTS_IDS | SP_POLICY_TAKES_FUTURE,
        .name = adapter->name,
        .summary = "a plug-in for libCacheSim",
        .size = adapter_size,
        .init = adapter_init,
        .insert = adapter_insert,
        .hit = adapter_hit,
        .victim = adapter_victim,
        .remove = adapter_remove,
    };
    result = find_hooks(adapter, object, path, error);
    if (result == 0)
        result = policy_params_adopt(choice, &adapter->policy, NULL, error);
    if (result != 0) {
        libcachesim_free(&adapter);
        return result;
    }
    address_to_params(adapter, choice->params);
    *adapterp = adapter;
    return 0;
}

void libcachesim_free(struct libcachesim **adapterp)
{
    struct libcachesim *adapter = *adapterp;

    *adapterp = NULL;
    if (adapter == NULL)
        return;
    while (adapter->instances != NULL) {
        struct instance *instance = adapter->instances;

        adapter->instances = instance->next;
        if (adapter->free != NULL)
            adapter->free(instance->data);
        ids_fini(&instance->ids);
        free(instance);
    }
    pthread_mutex_destroy(&adapter->lock);
    free(adapter);
}

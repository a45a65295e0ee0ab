/* The list of swap backends, and how to find one by name. */
#include "backend/registry.h"

#include <string.h>

#include "backend/below.h"

#define BACKEND_ADDRESS(name) &backend_##name,
static const struct swap_backend *const backends[] = {BACKENDS(BACKEND_ADDRESS)};
#undef BACKEND_ADDRESS

const struct swap_backend *backend_registry_at(size_t i)
{
    return i < sizeof(backends) / sizeof(backends[0]) ? backends[i] : NULL;
}

const struct swap_backend *backend_registry_find(const char *device, const char **place)
{
    const char *colon = strchr(device, ':');
    const struct swap_backend *backend;

    for (size_t i = 0; colon != NULL && (backend = backend_registry_at(i)) != NULL; i++)
        if (strlen(backend->name) == (size_t)(colon - device) &&
            memcmp(backend->name, device, (size_t)(colon - device)) == 0) {
            *place = colon + 1;
            return backend;
        }
    return NULL;
}

/* The backend that a device names at its end, or NULL if some backend on the way cannot do it. */
static const struct swap_backend *bottom_find(const char *device,
                                              bool (*can)(const struct swap_backend *backend))
{
    const struct swap_backend *backend;

    while ((backend = backend_registry_find(device, &device)) != NULL && can(backend))
        if (!backend->filter)
            return backend;
        else
            device = below_device(device);
    return NULL;
}

static bool can_keep(const struct swap_backend *backend)
{
    return backend->keeps;
}

static bool can_sync(const struct swap_backend *backend)
{
    return backend->sync != NULL;
}

bool backend_registry_keeps(const char *device)
{
    return bottom_find(device, can_keep) != NULL;
}

bool backend_registry_syncs(const char *device)
{
    return bottom_find(device, can_sync) != NULL;
}

/* The list of swap backends, and how to find one by name. */
#include "backend/registry.h"

#include <string.h>

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

/* The swap backends. Adding one takes a file in this folder and its line below: see swap_backend.h. */
#ifndef BACKEND_REGISTRY_H
#define BACKEND_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>

#include "backend/swap_backend.h"

/* X(NAME), for NAME.c with its `backend_NAME`: in the order in which users see them. */
/* clang-format off */
#define BACKENDS(X) \
    X(file)         \
    X(memory)       \
    X(nbd)          \
    X(nbd_unix)     \
    X(upstream)     \
    X(zstd)         \
    X(lz4)          \
    X(tier)         \
    X(debug)
/* clang-format on */

#define BACKEND_DECLARE(name) extern const struct swap_backend backend_##name;
BACKENDS(BACKEND_DECLARE)
#undef BACKEND_DECLARE

/* The i-th backend, or NULL past the last. Any thread. */
const struct swap_backend *backend_registry_at(size_t i);

/* The backend that a device "NAME:PLACE" begins with, and in *place what follows the colon, within
 * `device`. NULL, and *place untouched: there is no colon, or no backend of that name. Any thread. */
const struct swap_backend *backend_registry_find(const char *device, const char **place);

/* Can a device of this name outlive its server, or a power loss: it and all that is below it? False, too,
 * for a name that finds no backend. Any thread. */
bool backend_registry_keeps(const char *device);
bool backend_registry_syncs(const char *device);

#endif

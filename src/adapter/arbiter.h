/* From what a user types after --arbiter, NAME[:PARAMS] or ./FILE.so[:PARAMS], to an arbiter that
 * can be started. */
#ifndef ADAPTER_ARBITER_H
#define ADAPTER_ARBITER_H

#include <selfpage/error.h>

#include "arbiter/registry.h"
#include "os/plugin.h"

struct arbiter_handle {
    struct arbiter_choice choice; /* valid until arbiter_unload */
    struct plugin object;         /* private */
};

/* Returns 0, or what arbiter_choose, arbiter_choose_plugin and plugin_open return. Release with
 * arbiter_unload in any case, after all that uses the arbiter has ended. */
int arbiter_load(struct arbiter_handle *handle, const char *text, struct sp_error *error);

void arbiter_unload(struct arbiter_handle *handle);

#endif

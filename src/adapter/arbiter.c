#include "adapter/arbiter.h"

int arbiter_load(struct arbiter_handle *handle, const char *text, struct sp_error *error)
{
    int result;

    *handle = (struct arbiter_handle){.object = {NULL}};
    if (!plugin_is_named_by(text))
        return arbiter_registry_choose(&handle->choice, text, error);
    result = plugin_open(&handle->object, text, SP_ARBITER_SYMBOL, error);
    if (result != 0)
        return result;
    return arbiter_registry_choose_plugin(&handle->choice, handle->object.symbol,
                                          handle->object.params, error);
}

void arbiter_unload(struct arbiter_handle *handle)
{
    plugin_close(&handle->object);
}

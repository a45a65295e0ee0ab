#include "adapter/load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "adapter/libcachesim.h"
#include "base/error.h"

#define PREFIX       "libcachesim:"
#define PATH_LONGEST 4000

static int load_foreign(struct policy_handle *handle, const char *text, struct sp_error *error)
{
    int result = plugin_open(&handle->object, text, LIBCACHESIM_SYMBOL, error);

    if (result != 0)
        return result;
    if (handle->object.params != NULL)
        return error_set(error, EINVAL, "a plug-in for libCacheSim takes no parameters here: %.60s",
                         handle->object.params);
    handle->foreign = true;
    return libcachesim_new(&handle->adapter, handle->object.object, text, &handle->choice, error);
}

/* dlopen looks for a name without a slash among the system's libraries. */
static int load_prefixed(struct policy_handle *handle, const char *path, struct sp_error *error)
{
    char text[PATH_LONGEST + 3];
    int length = snprintf(text, sizeof(text), "%s%s", plugin_is_named_by(path) ? "" : "./", path);

    if (length >= (int)sizeof(text))
        return error_set(error, EINVAL, "the path of a shared object is longer than %d bytes",
                         PATH_LONGEST);
    return load_foreign(handle, text, error);
}

static int load_object(struct policy_handle *handle, const char *text, struct sp_error *error)
{
    int result = plugin_open(&handle->object, text, SP_POLICY_SYMBOL, error);

    if (result == 0)
        return policy_params_adopt(&handle->choice, handle->object.symbol, handle->object.params,
                                   error);
    if (handle->object.object == NULL)
        return result;
    plugin_close(&handle->object);
    if (plugin_open(&handle->object, text, LIBCACHESIM_SYMBOL, NULL) != 0)
        return result; /* neither: the first message stands */
    plugin_close(&handle->object);
    return load_foreign(handle, text, error);
}

int load_policy(struct policy_handle *handle, const char *text, struct sp_error *error)
{
    *handle = (struct policy_handle){.foreign = false};
    if (strncmp(text, PREFIX, sizeof(PREFIX) - 1) == 0)
        return load_prefixed(handle, text + sizeof(PREFIX) - 1, error);
    if (plugin_is_named_by(text))
        return load_object(handle, text, error);
    return policy_params_choose(&handle->choice, text, error);
}

void load_policy_end(struct policy_handle *handle)
{
    libcachesim_free(&handle->adapter);
    plugin_close(&handle->object);
}

#include "os/plugin.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"

#define PATH_LONGEST 4095u

bool plugin_is_named_by(const char *text)
{
    return memchr(text, '/', strcspn(text, ":")) != NULL;
}

int plugin_open(struct plugin *plugin, const char *text, const char *symbol, struct sp_error *error)
{
    size_t length = strcspn(text, ":");
    char path[PATH_LONGEST + 1];

    *plugin = (struct plugin){.params = text[length] == ':' ? text + length + 1 : NULL};
    if (length > PATH_LONGEST)
        return error_set(error, EINVAL, "the path of a shared object is longer than %u bytes",
                         PATH_LONGEST);
    memcpy(path, text, length);
    path[length] = '\0';
    plugin->object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (plugin->object == NULL)
        return error_set(error, ENOENT, "cannot load %s", dlerror());
    plugin->symbol = dlsym(plugin->object, symbol);
    if (plugin->symbol == NULL)
        return error_set(
            error, EINVAL,
            "%.200s exports no `%s`, by which it would be one (see the headers of selfpage)", path,
            symbol);
    return 0;
}

void plugin_close(struct plugin *plugin)
{
    if (plugin->object != NULL)
        dlclose(plugin->object);
    *plugin = (struct plugin){NULL};
}

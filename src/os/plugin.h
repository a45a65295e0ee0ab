/* Shared objects that a user names, as in `./mine.so:small=0.1`. */
#ifndef OS_PLUGIN_H
#define OS_PLUGIN_H

#include <stdbool.h>

#include <selfpage/error.h>

struct plugin {
    void *object;       /* NULL: none is loaded */
    const void *symbol; /* what was asked for; valid while it is */
    const char *params; /* what stands behind the path and a colon, in the text; NULL: nothing */
};

/* True if `text` names a file, not something built in: it has a slash. */
bool plugin_is_named_by(const char *text);

/* Load the shared object that `text`, PATH[:PARAMS], names, and find `symbol` in it. Its code runs
 * with all that the program may do. Returns 0; -EINVAL: the path is too long, or the symbol is
 * missing; -ENOENT: it cannot be loaded. Release with plugin_close in any case. */
int plugin_open(struct plugin *plugin, const char *text, const char *symbol,
                struct sp_error *error);

void plugin_close(struct plugin *plugin);

#endif

/* A connection of this task's to a file server, and a container that the server may use. */
#ifndef TASK_API_FILE_LINK_H
#define TASK_API_FILE_LINK_H

#include <selfpage/container.h>
#include <selfpage/file.h>

#include "client/caller.h"

/* Connect to the server at `path` (NULL: SELFPAGE_FILES). Returns 0 or a negative errno. Call file_link_close in both
 * cases. */
int file_link_open(struct caller *caller, const char *path, struct sp_error *error);
void file_link_close(struct caller *caller);

/* Let the server use a container from now on: share it by a token, and tell the server. Only what shows the token gets the
 * container; what is shared with the server by its number any client of the server could name as its own. */
int file_link_give(struct sp_task *task, struct caller *caller, sp_container container,
                   unsigned rights, struct sp_error *error);

/* Ask, inside a guard, and expect a reply of this type. */
int file_link_ask(struct caller *caller, struct wire_message *request, enum wire_type expected,
                  struct wire_message *reply, struct sp_error *error);

/* Open a file; flags SP_FILE_* for writing, or 0. */
int file_link_find(struct caller *caller, const char *path, unsigned flags,
                   struct sp_file_info *infop, struct sp_error *error);

#endif

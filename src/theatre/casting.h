/* From what the caller says of arbiters and tasks to what a play is given. */
#ifndef THEATRE_CASTING_H
#define THEATRE_CASTING_H

#include "theatre/theatre.h"

/* The arbiter that the options want. casting_end in any case. Returns 0 or a negative errno, with an error. */
int casting_arbiter(struct sp_world *world, const struct sp_world_options *options,
                    struct sp_error *error);

/* A role for a task, which becomes the last of the world; there is room. Returns 0 or a negative errno, with an
 * error; nothing has changed then. */
int casting_role(struct sp_world *world, const struct sp_world_task *task, struct sp_error *error);

/* Free all roles, and the arbiter. */
void casting_end(struct sp_world *world);

#endif

/* How long things take, from a file. */
#ifndef SELFPAGE_SIMULATE_COSTS_FILE_H
#define SELFPAGE_SIMULATE_COSTS_FILE_H

#include <selfpage/error.h>

#include "play/costs.h"

/* Read lines "NAME: TIME" (and "depth: N"; # begins a comment) over what *costs holds. Returns 0, -EINVAL with
 * the line in the error, or what opening fails with. */
int costs_file_read(const char *path, struct costs *costs, struct sp_error *error);

#endif

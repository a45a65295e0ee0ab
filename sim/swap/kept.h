/* Clients that a kept device remembers: listed and dropped while no server uses it. */
#ifndef SWAP_KEPT_H
#define SWAP_KEPT_H

#include "options.h"

/* Do what options->list_clients and options->drop_client ask for: a table on standard output.
 * Returns 0, or a negative errno and a text: -ENOENT if there is no such device or client. */
int kept_run(const struct swap_options *options, struct sp_error *error);

#endif

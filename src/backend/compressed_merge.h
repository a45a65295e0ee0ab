/* Making room on a device of compressed pages: pages of the emptiest blocks move to one block together. */
#ifndef BACKEND_COMPRESSED_MERGE_H
#define BACKEND_COMPRESSED_MERGE_H

#include "backend/compressed_state.h"

/* Empty some blocks, or wait for another thread that does: look again afterwards. With the lock, which is
 * released meanwhile. `worker` is overwritten. Returns 0, -ENOSPC if there is nothing to gain, or what the device
 * below returned. */
int compressed_merge(struct compressed_device *device, struct worker *worker);

#endif

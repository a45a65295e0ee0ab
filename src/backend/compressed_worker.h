/* What one call on a device of compressed pages works with: made when it is first needed, then used again. */
#ifndef BACKEND_COMPRESSED_WORKER_H
#define BACKEND_COMPRESSED_WORKER_H

#include "backend/compressed_state.h"

/* One for this call alone, or NULL: no memory. Without the lock, as below. */
struct worker *compressed_worker_take(struct compressed_device *device);
void compressed_worker_give(struct compressed_device *device, struct worker *worker);

/* Free one that nobody uses. */
void compressed_worker_free(const struct compressed_device *device, struct worker *worker);

#endif

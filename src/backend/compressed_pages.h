/* Pages of a device of compressed pages: packed and written, read and expanded. As the functions of a backend's
 * table, which swap_backend.h describes. */
#ifndef BACKEND_COMPRESSED_PAGES_H
#define BACKEND_COMPRESSED_PAGES_H

#include "backend/compressed_state.h"

int compressed_pages_write(struct compressed_device *device, uint32_t page, uint32_t count,
                           const void *pages);
int compressed_pages_read(struct compressed_device *device, uint32_t page, uint32_t count,
                          void *pages);
void compressed_pages_discard(struct compressed_device *device, uint32_t page, uint32_t count);

#endif

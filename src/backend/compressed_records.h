/* What a kept device of compressed pages remembers, so that a later server finds its pages: see compressed.h for
 * the layout. */
#ifndef BACKEND_COMPRESSED_RECORDS_H
#define BACKEND_COMPRESSED_RECORDS_H

#include "backend/compressed_state.h"

/* Bytes of the head that header and records of `pages` pages take: whole blocks. */
uint64_t compressed_records_bytes(uint32_t pages);

/* Write the header of a new device, or see that the one that exists is of this compressor and size; nothing is
 * changed. Returns 0, or a negative errno with a text. */
int compressed_records_create(struct compressed_device *device, struct sp_error *error);
int compressed_records_judge(const struct compressed_device *device, struct sp_error *error);

/* Fill the empty books of a device that existed. Returns 0, or a negative errno with a text. */
int compressed_records_load(struct compressed_device *device, struct sp_error *error);

/* Record where `count` neighbouring pages lie, at most COMPRESSED_CHUNK. With head_lock. Returns 0 or a negative
 * errno. */
int compressed_records_write(struct compressed_device *device, uint32_t page, uint32_t count,
                             const struct space_place *place);

/* Sync what is below, for the filter's own sake. A failure is also that of the next compressed_sync. Returns 0
 * or a negative errno. */
int compressed_records_sync(struct compressed_device *device);

#endif

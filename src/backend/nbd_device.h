/* What `nbd:` and `nbd+unix:` have in common: a device on an export of an NBD server.
 *
 * WHAT OUTLIVES WHAT. The export is the server's alone: NBD has no lock, and a second server on it would not be
 * found out. Without `keep` whatever the export holds is overwritten. With `keep` an export whose first page
 * is zeros is new; its head is cleared.
 *
 * nbd_queue.h says what becomes of requests when the connection breaks. The server's checksum of each page finds
 * whatever else a block server may do: a page that is older than it should be is an error for that page alone. */
#ifndef BACKEND_NBD_DEVICE_H
#define BACKEND_NBD_DEVICE_H

#include "backend/swap_backend.h"

/* The OPTIONS before a URI. */
extern const struct sp_policy_param nbd_device_params[];

/* The functions of the table; open needs what the URI begins with: "nbd:". */
int nbd_device_open(void **device, const struct swap_backend_wish *wish,
                    struct swap_backend_facts *facts, struct sp_error *error, const char *scheme);
int nbd_device_finish(void *device, struct swap_backend_facts *facts, struct sp_error *error);
int nbd_device_write(void *device, uint32_t page, uint32_t count, const void *pages);
int nbd_device_read(void *device, uint32_t page, uint32_t count, void *pages);
int nbd_device_head_write(void *device, uint64_t offset, const void *bytes, uint32_t count);
int nbd_device_head_read(void *device, uint64_t offset, void *bytes, uint32_t count);
int nbd_device_sync(void *device);
void nbd_device_count(void *device, struct swap_backend_counts *counts);
void nbd_device_close(void *device);

#endif

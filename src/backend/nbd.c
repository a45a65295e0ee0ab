/* Pages on a block server, over TCP. */
#include "backend/nbd_device.h"
#include "backend/registry.h"

static int nbd_open(void **device, const struct swap_backend_wish *wish,
                    struct swap_backend_facts *facts, struct sp_error *error)
{
    return nbd_device_open(device, wish, facts, error, "nbd:");
}

const struct swap_backend backend_nbd = {
    .name = "nbd",
    .place = "//HOST[:PORT][/EXPORT]",
    .help = "an NBD server, whose export is this server's alone and is overwritten",
    .params = nbd_device_params,
    .keeps = true,
    .shares = true,
    .open = nbd_open,
    .finish = nbd_device_finish,
    .write = nbd_device_write,
    .read = nbd_device_read,
    .head_write = nbd_device_head_write,
    .head_read = nbd_device_head_read,
    .sync = nbd_device_sync,
    .count = nbd_device_count,
    .close = nbd_device_close,
};

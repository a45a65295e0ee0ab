/* Pages on a block server, over a Unix socket. */
#include "backend/nbd_device.h"
#include "backend/registry.h"

static int nbd_unix_open(void **device, const struct swap_backend_wish *wish,
                         struct swap_backend_facts *facts, struct sp_error *error)
{
    return nbd_device_open(device, wish, facts, error, "nbd+unix:");
}

const struct swap_backend backend_nbd_unix = {
    .name = "nbd+unix",
    .place = "//[/EXPORT]?socket=PATH",
    .help =
        "an NBD server on a Unix socket, whose export is this server's alone and is overwritten",
    .params = nbd_device_params,
    .keeps = true,
    .shares = true,
    .open = nbd_unix_open,
    .finish = nbd_device_finish,
    .write = nbd_device_write,
    .read = nbd_device_read,
    .head_write = nbd_device_head_write,
    .head_read = nbd_device_head_read,
    .sync = nbd_device_sync,
    .count = nbd_device_count,
    .close = nbd_device_close,
};

/* Attacks that take all there is of something. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/limits.h"
#include "os/sock.h"
#include "selfpage/bench/hostile/attack.h"
#include "selfpage/bench/hostile/rogue.h"

int shares_connections(const struct attack_target *target)
{
    char byte;

    limits_raise_files();
    for (unsigned i = 0; i < 1000 * target->strength; i++) {
        int fd = sock_connect(target->physmem, NULL), received;

        if (fd < 0)
            break;
        if (sock_receive(fd, &byte, 1, &received) > 0)
            break; /* refused */
    }
    pause();
    return 0;
}

int shares_extents(const struct attack_target *target)
{
    enum { EACH = 16 };

    limits_raise_files();
    for (unsigned i = 0; i < 100 * target->strength; i++) {
        struct rogue *peer = calloc(1, sizeof(*peer)); /* as long as this process */
        int code = peer == NULL ? -ENOMEM : rogue_open(peer, target->physmem, "extents", true);

        if (code == 0)
            code = rogue_contract(peer, EACH, false);
        if (code == 0)
            code = rogue_container(peer, EACH * 256);
        for (unsigned k = 0; k < EACH && code == 0; k++) {
            code = rogue_allocate(peer, k * 256, 1, 0);
            if (code == 0)
                code = rogue_map(peer, k * 256, 1, NULL) < -1 ? -EMFILE : 0;
        }
        if (code != 0)
            break;
    }
    pause();
    return 0;
}

int shares_output(const struct attack_target *target)
{
    struct wire_message status = {.type = WIRE_STATUS, .seq = 1};
    int small = 2304;

    limits_raise_files();
    for (unsigned i = 0; i < 200 * target->strength; i++) {
        struct rogue *peer = calloc(1, sizeof(*peer));
        unsigned char bytes[64];
        size_t size = wire_encode(&status, bytes, sizeof(bytes));

        if (peer == NULL || rogue_observe(peer, target->physmem) != 0)
            break;
        setsockopt(peer->request.link.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
        for (unsigned k = 0; k < 200; k++)
            if (sock_send(peer->request.link.fd, bytes, size, -1) < 0)
                break;
    }
    pause();
    return 0;
}

/* Clients that leave a page on the device each, and never come back. */
int shares_clients(const struct attack_target *target)
{
    static struct rogue peer;

    for (unsigned i = 0; i < 200 * target->strength; i++) {
        if (rogue_open(&peer, target->swap, "clients", false) != 0 || rogue_reserve(&peer, 1) != 0)
            break;
        rogue_close(&peer);
    }
    pause();
    return 0;
}

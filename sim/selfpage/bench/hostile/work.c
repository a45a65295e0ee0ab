/* Attacks by work: requests that are small to send, and long to carry out. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "selfpage/bench/hostile/attack.h"
#include "selfpage/bench/hostile/rogue.h"

static struct rogue peer;

int work_allocate(const struct attack_target *target)
{
    struct wire_message message = {.type = WIRE_ALLOCATE};
    int code = rogue_open(&peer, target->physmem, "flood", true);

    if (code == 0)
        code = rogue_container(&peer, 1u << 20);
    if (code != 0)
        return code;
    message.allocate.container = peer.container;
    message.allocate.count = 65536;
    rogue_flood(&peer, &message);
    return 0;
}

/* A task with `frames` frames in one container. */
static int open_with(const struct attack_target *target, uint32_t frames)
{
    int code = rogue_open(&peer, target->physmem, "flood", true);

    if (code == 0)
        code = rogue_contract(&peer, frames, false);
    if (code == 0)
        code = rogue_container(&peer, frames);
    for (uint32_t at = 0; code == 0 && at < frames; at += 16384)
        code = rogue_allocate(&peer, at, frames - at < 16384 ? frames - at : 16384, 0);
    return code;
}

int work_squash(const struct attack_target *target)
{
    struct wire_message message = {.type = WIRE_ALLOCATE};
    int code = open_with(target, 1024 * target->strength);

    if (code != 0)
        return code;
    message.allocate.container = peer.container;
    message.allocate.count = 1024 * target->strength;
    message.allocate.flags = WIRE_ALLOCATE_SQUASH;
    rogue_flood(&peer, &message);
    return 0;
}

int work_ranges(const struct attack_target *target)
{
    static struct wire_message message = {.type = WIRE_UNMAP_OWN};
    int code = open_with(target, 1024 * target->strength);

    if (code != 0)
        return code;
    message.unmap_own.container = peer.container;
    message.unmap_own.ranges_count = WIRE_RANGES;
    for (unsigned i = 0; i < WIRE_RANGES; i++)
        message.unmap_own.ranges[i] = (struct wire_range){0, 1024 * target->strength};
    rogue_flood(&peer, &message);
    return 0;
}

/* A task with much memory, all of it touched, ends; again and again. */
int work_big(const struct attack_target *target)
{
    uint32_t frames = 4096 * target->strength;
    int code;

    for (;;) {
        code = open_with(target, frames);
        for (uint32_t at = 0; code == 0 && at < frames; at += 256) {
            static const char byte = 1;
            int fd = rogue_map(&peer, at, 256, NULL);

            if (fd < -1)
                return fd;
            for (unsigned page = 0; fd >= 0 && page < 256; page++)
                if (pwrite(fd, &byte, 1, (off_t)page * 4096) != 1)
                    return -errno;
            if (fd >= 0)
                close(fd);
        }
        if (code != 0)
            return code;
        rogue_close(&peer);
        usleep(50000);
    }
}

int work_store(const struct attack_target *target)
{
    static struct wire_message message = {.type = WIRE_STORE};
    static struct wire_message answer;
    unsigned outstanding = 0;
    int code = rogue_open(&peer, target->swap, "flood", false);

    if (code == 0)
        code = rogue_reserve(&peer, 6400);
    if (code == 0)
        code = rogue_give_extent(&peer, WIRE_BATCH) < 0 ? -EIO : 0;
    message.store.pages_count = WIRE_BATCH;
    for (unsigned i = 0; i < WIRE_BATCH; i++)
        message.store.pages[i] = (struct wire_place){.extent = 1, .offset = i};
    while (code == 0) {
        struct wire_message drop = {.type = WIRE_FREE};

        for (; code == 0 && outstanding < 100; outstanding++) {
            message.seq = 1;
            code = caller_send(&peer.request, &message, -1);
        }
        if (code == 0)
            code = caller_receive(&peer.request, &answer, NULL);
        outstanding--;
        for (unsigned i = 0; answer.type == WIRE_STORED && i < answer.stored.slots_count; i++)
            if (answer.stored.slots[i].error == 0)
                drop.free.slots[drop.free.slots_count++].value = answer.stored.slots[i].slot;
        if (code == 0 && drop.free.slots_count > 0)
            code = caller_send(&peer.request, &drop, -1);
    }
    return code;
}

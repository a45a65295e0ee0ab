/* Attacks by the kernel's lock of an inode: a pwrite to an extent, from a page that never comes, keeps
 * it as long as the attacker likes. */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "selfpage/bench/hostile/attack.h"
#include "selfpage/bench/hostile/fuse.h"
#include "selfpage/bench/hostile/rogue.h"

struct lock_hold {
    int fd;
    const void *page;
};

static void *hold_lock(void *arg)
{
    const struct lock_hold *hold = arg;

    (void)!pwrite(hold->fd, hold->page, 4096, 0); /* never returns */
    return NULL;
}

/* Take the lock of an extent, and wait until it is held: a second write does not begin either. */
static int lock_extent(struct lock_hold *hold, const char *directory, int fd)
{
    pthread_t thread;

    hold->fd = fd;
    hold->page = fuse_page(directory);
    if (hold->page == NULL)
        return -errno;
    if (pthread_create(&thread, NULL, hold_lock, hold) != 0)
        return -EAGAIN;
    usleep(100000);
    return 0;
}

static int begin(const struct attack_target *target)
{
    int code = fuse_start(target->directory, target->leash);

    if (code == 0 && target->uid != geteuid() &&
        (setgid(target->uid) != 0 || setuid(target->uid) != 0))
        code = -errno;
    return code;
}

/* Extents whose pages are given back, and whose task then ends: both need the lock. */
int locks_physmem(const struct attack_target *target)
{
    static struct lock_hold hold[64];
    static struct rogue peer[64];
    int code = begin(target);

    for (unsigned i = 0; i < 3 + target->strength && code == 0; i++) {
        struct wire_message drop = {.type = WIRE_DEALLOCATE};
        int fd = -1;

        code = rogue_open(&peer[i], target->physmem, "locks", true);
        if (code == 0)
            code = rogue_contract(&peer[i], 16, false);
        if (code == 0)
            code = rogue_container(&peer[i], 256);
        if (code == 0)
            code = rogue_allocate(&peer[i], 0, 16, 0);
        if (code == 0)
            fd = rogue_map(&peer[i], 0, 16, NULL);
        if (fd < 0)
            return code < 0 ? code : fd;
        code = lock_extent(&hold[i], target->directory, fd);
        drop.deallocate.container = peer[i].container;
        drop.deallocate.ranges_count = 1;
        drop.deallocate.ranges[0] = (struct wire_range){4, 2};
        if (code == 0)
            code = caller_send(&peer[i].request, &drop, -1);
        if (i % 2 == 1)
            rogue_close(&peer[i]);
    }
    if (code == 0)
        pause();
    return code;
}

/* Ask swap to load pages into such an extent. */
int locks_swap(const struct attack_target *target)
{
    static struct lock_hold hold[64];
    static struct rogue peer[64];
    int code = begin(target);

    for (unsigned i = 0; i < 3 + target->strength && code == 0; i++) {
        struct wire_message store = {.type = WIRE_STORE}, load = {.type = WIRE_LOAD}, reply;
        int fd = -1;

        code = rogue_open(&peer[i], target->swap, "locks", false);
        if (code == 0)
            code = rogue_reserve(&peer[i], 1);
        if (code == 0)
            fd = rogue_give_extent(&peer[i], 16);
        if (fd < 0)
            return code < 0 ? code : fd;
        store.store.pages_count = 1;
        store.store.pages[0] = (struct wire_place){.extent = 1, .offset = 3};
        code = caller_ask_for(&peer[i].request, &store, WIRE_STORED, &reply, NULL, NULL);
        if (code == 0)
            code = lock_extent(&hold[i], target->directory, fd);
        load.load.pages_count = 1;
        load.load.pages[0] =
            (struct wire_loading){.slot = reply.stored.slots[0].slot, .extent = 1, .offset = 3};
        load.seq = 77;
        if (code == 0)
            code = caller_send(&peer[i].request, &load, -1);
    }
    if (code == 0)
        pause();
    return code;
}

#include "selfpage/bench/hostile/bystander.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "os/clock.h"

#define PAUSE_US    300 /* between two requests */
#define PATIENCE_NS CLOCK_NS_PER_S

/* A frame within the guarantee, and back; a page to swap, and back. */
static int ask_physmem(struct rogue *peer)
{
    struct wire_message drop = {.type = WIRE_DEALLOCATE}, reply;
    int code = rogue_allocate(peer, 0, 1, 0);

    drop.deallocate.container = peer->container;
    drop.deallocate.ranges_count = 1;
    drop.deallocate.ranges[0] = (struct wire_range){0, 1};
    if (code == 0)
        code = caller_ask_for(&peer->request, &drop, WIRE_DONE, &reply, NULL, NULL);
    return code;
}

static int ask_swap(struct rogue *peer)
{
    struct wire_message store = {.type = WIRE_STORE}, drop = {.type = WIRE_FREE}, reply;
    int code;

    store.store.pages_count = 1;
    store.store.pages[0] = (struct wire_place){.extent = 1, .offset = 0};
    code = caller_ask_for(&peer->request, &store, WIRE_STORED, &reply, NULL, NULL);
    if (code == 0 && reply.stored.slots[0].error != 0)
        code = -(int)reply.stored.slots[0].error;
    drop.free.slots_count = 1;
    if (code == 0) {
        drop.free.slots[0].value = reply.stored.slots[0].slot;
        code = caller_ask_for(&peer->request, &drop, WIRE_DONE, &reply, NULL, NULL);
    }
    return code;
}

/* How long the thread of an open schedstat has waited for processors so far. */
static uint64_t delay_ns(int fd)
{
    unsigned long long ran, waited = 0;
    char text[128];
    ssize_t size = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);

    if (size > 0) {
        text[size] = '\0';
        if (sscanf(text, "%llu %llu", &ran, &waited) != 2)
            waited = 0;
    }
    return waited;
}

static int server_schedstat(pid_t server)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", (int)server, (int)server);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* Note a wait of `waited_ns`, for `processor_ns` of which there was no processor. */
static void note(struct bystander *bystander, uint64_t waited_ns, uint64_t processor_ns)
{
    uint64_t net_ns = waited_ns > processor_ns ? waited_ns - processor_ns : 0;

    if (net_ns > __atomic_load_n(&bystander->longest_ns, __ATOMIC_ACQUIRE)) {
        __atomic_store_n(&bystander->longest_ns, net_ns, __ATOMIC_RELEASE);
        __atomic_store_n(&bystander->processor_ns, processor_ns, __ATOMIC_RELEASE);
    }
}

static void *main_of(void *arg)
{
    struct bystander *bystander = arg;
    int own = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    int server = server_schedstat(bystander->server);
    int code = 0;

    while (code == 0 && !__atomic_load_n(&bystander->stop, __ATOMIC_ACQUIRE)) {
        uint64_t delay_before_ns = delay_ns(own) + delay_ns(server);
        uint64_t begun_ns = clock_now_ns(), waited_ns;

        __atomic_store_n(&bystander->asked_ns, begun_ns, __ATOMIC_RELEASE);
        code = bystander->on_swap ? ask_swap(&bystander->peer) : ask_physmem(&bystander->peer);
        waited_ns = clock_now_ns() - begun_ns;
        note(bystander, waited_ns, delay_ns(own) + delay_ns(server) - delay_before_ns);
        __atomic_store_n(&bystander->asked_ns, 0, __ATOMIC_RELEASE);
        __atomic_add_fetch(&bystander->served, 1, __ATOMIC_ACQ_REL);
        usleep(PAUSE_US);
    }
    close(own);
    close(server);
    __atomic_store_n(&bystander->error, code, __ATOMIC_RELEASE);
    return NULL;
}

int bystander_start(struct bystander *bystander, const char *path, pid_t server, bool on_swap)
{
    struct rogue *peer = &bystander->peer;
    int code = rogue_open(peer, path, "bystander", !on_swap);

    bystander->on_swap = on_swap;
    bystander->server = server;
    bystander->stop = 0;
    bystander->error = 0;
    bystander->asked_ns = 0;
    if (code == 0 && on_swap) {
        int fd = rogue_give_extent(peer, 1);

        code = fd < 0 ? fd : rogue_reserve(peer, 8);
        if (fd >= 0)
            close(fd);
    } else if (code == 0) {
        code = rogue_contract(peer, 8, false);
        if (code == 0)
            code = rogue_container(peer, 8);
    }
    if (code == 0)
        code = -pthread_create(&bystander->thread, NULL, main_of, bystander);
    bystander->running = code == 0;
    bystander_reset(bystander);
    return code;
}

void bystander_reset(struct bystander *bystander)
{
    __atomic_store_n(&bystander->longest_ns, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&bystander->served, 0, __ATOMIC_RELEASE);
}

uint64_t bystander_longest_ns(const struct bystander *bystander)
{
    uint64_t asked_ns = __atomic_load_n(&bystander->asked_ns, __ATOMIC_ACQUIRE);
    uint64_t now_ns = clock_now_ns(), longest_ns;

    /* How much of a wait was for a processor is known when it has ended. */
    while (asked_ns != 0 && now_ns < asked_ns + PATIENCE_NS &&
           __atomic_load_n(&bystander->asked_ns, __ATOMIC_ACQUIRE) == asked_ns) {
        usleep(PAUSE_US);
        now_ns = clock_now_ns();
    }
    if (__atomic_load_n(&bystander->asked_ns, __ATOMIC_ACQUIRE) != asked_ns)
        asked_ns = 0;
    longest_ns = __atomic_load_n(&bystander->longest_ns, __ATOMIC_ACQUIRE);
    return asked_ns != 0 && now_ns - asked_ns > longest_ns ? now_ns - asked_ns : longest_ns;
}

void bystander_stop(struct bystander *bystander)
{
    if (bystander->running) {
        __atomic_store_n(&bystander->stop, 1, __ATOMIC_RELEASE);
        pthread_join(bystander->thread, NULL);
    }
    bystander->running = false;
    rogue_close(&bystander->peer);
}

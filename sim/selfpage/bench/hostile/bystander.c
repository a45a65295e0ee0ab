#include "selfpage/bench/hostile/bystander.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/clock.h"

#define PAUSE_US    300 /* between two pairs of requests */
#define PATIENCE_NS CLOCK_NS_PER_S

#define THREADS_MOST 320u /* of a server */

/* How long the thread of a schedstat has waited for processors so far. */
static uint64_t delay_ns(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    unsigned long long ran, waited = 0;
    char text[128];
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

    if (fd >= 0)
        close(fd);
    if (size > 0) {
        text[size] = '\0';
        if (sscanf(text, "%llu %llu", &ran, &waited) != 2)
            waited = 0;
    }
    return waited;
}

/* How long each thread of the server has, and this one. */
struct delays {
    unsigned count;
    long thread[THREADS_MOST];
    uint64_t ns[THREADS_MOST];
    uint64_t own_ns;
};

static void delays_read(struct delays *delays, pid_t server)
{
    char path[80];
    struct dirent *entry;
    DIR *directory;

    delays->count = 0;
    delays->own_ns = delay_ns("/proc/thread-self/schedstat");
    snprintf(path, sizeof(path), "/proc/%d/task", (int)server);
    directory = opendir(path);
    while (directory != NULL && delays->count < THREADS_MOST &&
           (entry = readdir(directory)) != NULL) {
        long thread = strtol(entry->d_name, NULL, 10);

        if (thread <= 0)
            continue;
        snprintf(path, sizeof(path), "/proc/%d/task/%ld/schedstat", (int)server, thread);
        delays->thread[delays->count] = thread;
        delays->ns[delays->count++] = delay_ns(path);
    }
    if (directory != NULL)
        closedir(directory);
}

/* What thread `at` of `after` has waited since `before`. */
static uint64_t delay_since(const struct delays *before, const struct delays *after, unsigned at)
{
    for (unsigned i = 0; i < before->count; i++)
        if (before->thread[i] == after->thread[at])
            return after->ns[at] - before->ns[i];
    return after->ns[at];
}

/* For how much of a wait there was no processor: for the bystander, the server's loop, or the thread of
 * the server that waited longest, which may have done the work. */
static uint64_t processor_ns(const struct delays *before, const struct delays *after, pid_t server)
{
    uint64_t loop_ns = 0, other_ns = 0;

    for (unsigned i = 0; i < after->count; i++) {
        uint64_t ns = delay_since(before, after, i);

        if (after->thread[i] == server)
            loop_ns = ns;
        else if (ns > other_ns)
            other_ns = ns;
    }
    return after->own_ns - before->own_ns + loop_ns + other_ns;
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

/* Ask the server something, and note how long that takes: each request is measured alone. */
static int ask(struct bystander *bystander, struct wire_message *request, enum wire_type expected,
               struct wire_message *reply)
{
    static struct delays before, after; /* there is one bystander at a time */
    uint64_t begun_ns, waited_ns;
    int code;

    delays_read(&before, bystander->server);
    begun_ns = clock_now_ns();
    __atomic_store_n(&bystander->asked_ns, begun_ns, __ATOMIC_RELEASE);
    code = caller_ask_for(&bystander->peer.request, request, expected, reply, NULL, NULL);
    waited_ns = clock_now_ns() - begun_ns;
    if (waited_ns > __atomic_load_n(&bystander->longest_ns, __ATOMIC_ACQUIRE)) {
        delays_read(&after, bystander->server);
        note(bystander, waited_ns, processor_ns(&before, &after, bystander->server));
    }
    __atomic_store_n(&bystander->asked_ns, 0, __ATOMIC_RELEASE);
    __atomic_add_fetch(&bystander->served, 1, __ATOMIC_ACQ_REL);
    return code;
}

/* A frame within the guarantee, and back; a page to swap, and back. */
static int ask_physmem(struct bystander *bystander)
{
    struct wire_message allocate = {.type = WIRE_ALLOCATE}, drop = {.type = WIRE_DEALLOCATE}, reply;
    int code;

    allocate.allocate.container = drop.deallocate.container = bystander->peer.container;
    allocate.allocate.count = 1;
    drop.deallocate.ranges_count = 1;
    drop.deallocate.ranges[0] = (struct wire_range){0, 1};
    code = ask(bystander, &allocate, WIRE_ALLOCATED, &reply);
    return code == 0 ? ask(bystander, &drop, WIRE_DONE, &reply) : code;
}

static int ask_swap(struct bystander *bystander)
{
    struct wire_message store = {.type = WIRE_STORE}, drop = {.type = WIRE_FREE}, reply;
    int code;

    store.store.pages_count = 1;
    store.store.pages[0] = (struct wire_place){.extent = 1, .offset = 0};
    code = ask(bystander, &store, WIRE_STORED, &reply);
    if (code == 0 && reply.stored.slots[0].error != 0)
        code = -(int)reply.stored.slots[0].error;
    if (code != 0)
        return code;
    drop.free.slots_count = 1;
    drop.free.slots[0].value = reply.stored.slots[0].slot;
    return ask(bystander, &drop, WIRE_DONE, &reply);
}

static void *main_of(void *arg)
{
    struct bystander *bystander = arg;
    int code = 0;

    while (code == 0 && !__atomic_load_n(&bystander->stop, __ATOMIC_ACQUIRE)) {
        code = bystander->on_swap ? ask_swap(bystander) : ask_physmem(bystander);
        usleep(PAUSE_US);
    }
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

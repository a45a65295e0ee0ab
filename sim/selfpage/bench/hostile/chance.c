/* Attacks by chance: hundreds of variations of all that a client can send.
 *
 * A variation is drawn from its number: how many connections there are, which messages they prefer, how
 * often bytes are changed, messages cut, descriptors sent along and connections closed. Half of the
 * variations begin with a contract and frames, or slots and an extent, so that what is drawn meets
 * something. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/random.h"
#include "os/extent.h"
#include "os/sock.h"
#include "selfpage/bench/hostile/attack.h"
#include "selfpage/bench/hostile/rogue.h"
#include "wire/random_message.h"

enum { CONNECTIONS = 6, PREFERRED = 4, SENDS = 150, FRAMES = 64 };

struct variation {
    struct random_source random;
    const char *path;
    bool on_swap;
    uint8_t preferred[PREFERRED]; /* types of messages */
    unsigned connections;
    unsigned changed; /* one in so many messages has a byte changed; 0: none */
    unsigned cut;     /* is not sent to its end */
    unsigned stray;   /* has a descriptor that belongs to no message, or lacks one */
    unsigned closed;  /* is followed by the end of the connection */
};

/* One in `odds`; never for 0. */
static bool happens(struct variation *variation, unsigned odds)
{
    return odds > 0 && random_below(&variation->random, odds) == 0;
}

static struct variation draw(const struct attack_target *target, bool on_swap, uint64_t number)
{
    static const unsigned odds[] = {0, 0, 3, 20, 100};
    struct variation variation = {.random = random_stream(target->seed, number),
                                  .path = on_swap ? target->swap : target->physmem,
                                  .on_swap = on_swap};
    struct random_source *random = &variation.random;

    for (unsigned i = 0; i < PREFERRED; i++)
        variation.preferred[i] = message_types[random_below(random, MESSAGE_TYPES)];
    variation.connections = 1 + random_below(random, CONNECTIONS);
    variation.changed = odds[random_below(random, 5)];
    variation.cut = odds[random_below(random, 5)];
    variation.stray = odds[random_below(random, 5)];
    variation.closed = odds[random_below(random, 5)];
    return variation;
}

/* Something to meet. A refusal is an answer. */
static void settle_in(struct variation *variation, struct rogue *peer)
{
    struct random_source *random = &variation->random;

    if (random_below(random, 2) == 0)
        return;
    if (variation->on_swap) {
        int fd = rogue_give_extent(peer, 1 + random_below(random, FRAMES));

        if (fd >= 0)
            close(fd);
        rogue_reserve(peer, random_below(random, FRAMES));
        return;
    }
    if (rogue_contract(peer, 1 + random_below(random, FRAMES), random_below(random, 2) == 0) == 0 &&
        rogue_container(peer, 1 + random_below(random, 4 * FRAMES)) == 0)
        rogue_allocate(peer, 0, random_below(random, FRAMES), 0);
}

/* A connection that has said HELLO, or one in four times one that has said nothing. */
static bool connect_one(struct variation *variation, struct rogue *peer)
{
    *peer = (struct rogue){.request.link.fd = -1, .control.link.fd = -1};
    if (random_below(&variation->random, 4) == 0) {
        caller_init(&peer->request, "the server", 1000);
        caller_init(&peer->control, "the server", 1000);
        peer->request.link.fd = sock_connect(variation->path, NULL);
        return peer->request.link.fd >= 0;
    }
    if (rogue_open(peer, variation->path, "chance", !variation->on_swap) != 0)
        return false;
    settle_in(variation, peer);
    return true;
}

/* A descriptor of some kind; -1: none could be made. */
static int make_descriptor(struct random_source *random)
{
    int pair[2], fd;

    switch (random_below(random, 5)) {
    case 0:
        return extent_create("chance", 1 + random_below(random, 4), NULL);
    case 1:
        return memfd_create("chance", MFD_CLOEXEC);
    case 2:
        return open("/dev/null", O_RDWR | O_CLOEXEC);
    case 3:
        if (sock_pair(pair) != 0)
            return -1;
        close(pair[1]);
        return pair[0];
    default: /* an extent that is cut at once */
        fd = extent_create("chance", 1, NULL);
        if (fd >= 0)
            extent_truncate(fd);
        return fd;
    }
}

static void draw_message(struct variation *variation, struct wire_message *message)
{
    struct random_source *random = &variation->random;
    uint8_t type = random_below(random, 4) > 0
                       ? variation->preferred[random_below(random, PREFERRED)]
                       : message_types[random_below(random, MESSAGE_TYPES)];

    random_message(random, type, message);
    /* A contract that kills its task would end the attack. */
    if (type == WIRE_PROPOSE && message->propose.on_breach == SP_BREACH_KILL)
        message->propose.on_breach = SP_BREACH_WARN;
}

/* Send one message, more or less. Returns false if the connection is of no more use. */
static bool send_one(struct variation *variation, int fd)
{
    static struct wire_message message;
    static unsigned char bytes[WIRE_MESSAGE_MAX];
    struct random_source *random = &variation->random;
    int passed = -1;
    bool announced;
    size_t size;
    ssize_t sent;

    draw_message(variation, &message);
    size = wire_encode(&message, bytes, sizeof(bytes));
    announced = message_type_fds(message.type) > 0;
    if (announced != happens(variation, variation->stray))
        passed = make_descriptor(random);
    if (happens(variation, variation->changed))
        bytes[random_below(random, (uint32_t)size)] = (uint8_t)random_bits(random);
    if (happens(variation, variation->cut))
        size = 1 + random_below(random, (uint32_t)size);
    sent = sock_send(fd, bytes, size, passed);
    if (passed >= 0)
        close(passed);
    return sent == (ssize_t)size;
}

static void drain(int fd)
{
    static unsigned char bytes[65536];
    int received, size;

    do {
        size = (int)sock_receive(fd, bytes, sizeof(bytes), &received);
        if (size > 0 && received >= 0)
            close(received);
    } while (size > 0);
}

static void play(struct variation *variation)
{
    static struct rogue peer[CONNECTIONS];

    for (unsigned i = 0; i < variation->connections; i++)
        if (!connect_one(variation, &peer[i]))
            rogue_close(&peer[i]);
    for (unsigned i = 0; i < SENDS; i++) {
        struct rogue *one = &peer[random_below(&variation->random, variation->connections)];
        /* Every eighth message goes over the control connection, if there is one. */
        struct caller *caller =
            i % 8 == 7 && one->control.link.fd >= 0 ? &one->control : &one->request;

        if (caller->link.fd >= 0 && random_below(&variation->random, 4) == 0)
            drain(caller->link.fd);
        if (caller->link.fd >= 0 && send_one(variation, caller->link.fd) &&
            !happens(variation, variation->closed))
            continue;
        rogue_close(one);
        if (!connect_one(variation, one))
            rogue_close(one);
    }
    for (unsigned i = 0; i < variation->connections; i++)
        rogue_close(&peer[i]);
}

static _Noreturn void play_all(const struct attack_target *target, bool on_swap)
{
    for (uint64_t number = 0;; number++) {
        struct variation variation = draw(target, on_swap, number);

        play(&variation);
        __atomic_add_fetch(target->variations, 1, __ATOMIC_RELAXED);
    }
}

int chance_physmem(const struct attack_target *target)
{
    play_all(target, false); /* until killed */
}

int chance_swap(const struct attack_target *target)
{
    play_all(target, true); /* until killed */
}

/* Ten thousand random lives of contracts over real sockets, against a real physmem whose STATUS is
 * compared as they go. Some tasks comply with every recall, and none of these is ever revoked; others
 * answer nothing. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <valgrind/valgrind.h>

#include "base/random.h"
#include "physmem_peer.h"

#define FRAMES   "400"
#define RESERVE  "20"
#define PEERS    8u
#define SILENT   2u /* the first ones */
#define SLOTS    200u
#define RING     8u
#define LISTED   WIRE_TASKS /* tasks that one reply to STATUS tells of: a moment's books */
#define MS       UINT64_C(1000000)
#define PATIENCE (SERVER_PATIENCE_MS * MS)

struct life_peer {
    struct physmem_peer peer;
    bool there;
    bool silent;
    bool used[SLOTS];
    uint32_t held;
    uint32_t owed;    /* recalled, and not returned yet */
    uint32_t waiting; /* seq of an ALLOCATE that has not been answered; 0: none */
    uint32_t start;
    uint32_t contract[RING];
    uint32_t contracts;
    uint32_t part[RING];
    uint32_t parts;
};

struct lives {
    struct server_process server;
    struct wire_client observer;
    struct random_source random;
    struct life_peer peer[PEERS];
    uint32_t arrivals;
    uint64_t token[2][4]; /* of those that comply, and of the silent: a part has its grace */
    uint32_t tokens;
    uint32_t lives; /* contracts that came about */
    uint32_t claimed;
    uint32_t resized;
    uint32_t checks;
    uint64_t breaches, warnings, repossessed;
};

static uint32_t below(struct lives *lives, uint32_t bound)
{
    return random_below(&lives->random, bound);
}

static void arrive(struct lives *lives, struct life_peer *peer)
{
    bool silent = peer->silent;

    memset(peer, 0, sizeof(*peer));
    peer->silent = silent;
    if (lives->arrivals == LISTED - 1) /* the dead stay listed */
        return;
    lives->arrivals++;
    assert_int_equal(physmem_peer_open(&peer->peer, &lives->server, silent ? "silent" : "prompt"),
                     0);
    assert_int_equal(physmem_container(&peer->peer, SLOTS), 0);
    peer->there = true;
}

static void gone(struct lives *lives, struct life_peer *peer)
{
    assert_true(peer->silent); /* nobody else is ever revoked */
    physmem_peer_close(&peer->peer);
    peer->there = false;
    arrive(lives, peer);
}

/* ---- What physmem says unasked, and late answers ---- */

/* Return what is owed, as far as it is known to be held: the answer to an ALLOCATE that brought more
 * may still be under way. */
static void pay(struct life_peer *peer)
{
    struct wire_message message = {.type = WIRE_DEALLOCATE};

    message.deallocate.container = peer->peer.container;
    for (uint32_t slot = 0; slot < SLOTS && peer->owed > 0; slot++) {
        if (!peer->used[slot])
            continue;
        message.deallocate.ranges[message.deallocate.ranges_count++] = (struct wire_range){slot, 1};
        peer->used[slot] = false;
        peer->held--;
        peer->owed--;
    }
    if (message.deallocate.ranges_count > 0)
        assert_int_equal(wire_client_send(&peer->peer.control, &message, -1), 0);
}

static void on_repossessed(struct life_peer *peer, const struct wire_message *message)
{
    assert_true(peer->silent);
    for (uint32_t i = 0; i < message->repossessed.ranges_count; i++) {
        const struct wire_range *range = &message->repossessed.ranges[i];

        for (uint32_t slot = range->start; slot < range->start + range->count; slot++) {
            peer->held -= peer->used[slot];
            peer->used[slot] = false;
        }
    }
}

static void on_allocated(struct life_peer *peer, const struct wire_message *message)
{
    peer->waiting = 0;
    if (message->type != WIRE_ALLOCATED || message->error != 0)
        return;
    for (uint32_t i = 0; i < message->allocated.count; i++) {
        peer->held += !peer->used[peer->start + i];
        peer->used[peer->start + i] = true;
    }
    pay(peer);
}

/* Returns false if the control connection has ended. */
static bool serve(struct life_peer *peer)
{
    struct wire_message message;
    int rc;

    while (wire_client_poll(&peer->peer.request, &message, NULL) == 0)
        if (message.seq != 0 && message.seq == peer->waiting)
            on_allocated(peer, &message);
    while ((rc = wire_client_poll(&peer->peer.control, &message, NULL)) == 0) {
        if (message.type == WIRE_RECALL && !peer->silent) {
            peer->owed += message.recall.frames;
            pay(peer);
        } else if (message.type == WIRE_REPOSSESSED) {
            on_repossessed(peer, &message);
        }
    }
    return rc == -EAGAIN;
}

/* Serve the peers that have been told something; if `wait`, sleep until one has. */
static void serve_ready(struct lives *lives, bool wait)
{
    struct pollfd fds[2 * PEERS];

    for (unsigned i = 0; i < PEERS; i++) {
        const struct life_peer *peer = &lives->peer[i];

        fds[2 * i] =
            (struct pollfd){.fd = peer->there ? peer->peer.request.fd : -1, .events = POLLIN};
        fds[2 * i + 1] =
            (struct pollfd){.fd = peer->there ? peer->peer.control.fd : -1, .events = POLLIN};
    }
    assert_true(poll(fds, 2 * PEERS, wait ? SERVER_PATIENCE_MS : 0) >= (wait ? 1 : 0));
    for (unsigned i = 0; i < PEERS; i++)
        if ((fds[2 * i].revents | fds[2 * i + 1].revents) != 0 && !serve(&lives->peer[i]))
            gone(lives, &lives->peer[i]);
}

/* ---- The books ---- */

static void check(struct lives *lives)
{
    struct wire_message message = {.type = WIRE_STATUS, .seq = ++lives->observer.seq};
    uint64_t held = 0, promised = 0, listed = 0;

    assert_int_equal(wire_client_send(&lives->observer, &message, -1), 0);
    for (;;) {
        assert_int_equal(wire_client_receive(&lives->observer, &message, NULL), 0);
        if (message.type == WIRE_PHYSMEM_STATUS)
            break;
        listed++;
        held += message.task_status.held;
        promised += (uint64_t)message.task_status.guaranteed + message.task_status.leased;
        assert_true(message.task_status.owed <= message.task_status.held);
        if (strcmp(message.task_status.name, "prompt") == 0)
            assert_int_equal(message.task_status.breached, 0);
    }
    assert_true(listed < LISTED);
    assert_int_equal(message.physmem_status.free + message.physmem_status.soft + held,
                     message.physmem_status.frames);
    /* Parts that nobody has claimed are promised, too. */
    assert_true(promised <= message.physmem_status.guaranteed + message.physmem_status.leased);
    assert_true(message.physmem_status.guaranteed + message.physmem_status.leased <=
                message.physmem_status.frames - 20);
    assert_int_equal(message.physmem_status.violations, 0);
    lives->breaches = message.physmem_status.breaches;
    lives->warnings = message.physmem_status.warnings;
    lives->repossessed = message.physmem_status.repossessed;
    lives->checks++;
}

/* ---- Steps ---- */

/* Ask, and take note. Returns false if the task has been revoked. */
static bool ask(struct lives *lives, struct life_peer *peer, struct wire_message *message,
                struct wire_message *reply)
{
    assert_int_equal(wire_client_call(&peer->peer.request, message, -1, reply), 0);
    if (reply->error == EPIPE) {
        gone(lives, peer);
        return false;
    }
    if (reply->type == WIRE_OFFER && reply->offer.state == SP_CONTRACT_ACTIVE &&
        reply->offer.answer == SP_ACCEPTED)
        peer->contract[peer->contracts++ % RING] = reply->offer.contract;
    return true;
}

static uint32_t one_of(struct lives *lives, const uint32_t *ring, uint32_t count)
{
    if (count == 0 || below(lives, 16) == 0)
        return below(lives, 50);
    return ring[below(lives, count < RING ? count : RING)];
}

static bool is_active(const struct wire_message *reply)
{
    return reply->type == WIRE_OFFER && reply->error == 0 && reply->offer.answer == SP_ACCEPTED &&
           reply->offer.state == SP_CONTRACT_ACTIVE;
}

static void propose(struct lives *lives, struct life_peer *peer)
{
    struct wire_message message = {.type = WIRE_PROPOSE}, reply;
    uint64_t grace = peer->silent ? 2 * MS : PATIENCE;

    message.propose.kind = (uint8_t)below(lives, SP_CONTRACT_KINDS);
    message.propose.on_breach = (uint8_t)below(lives, SP_BREACH_ACTIONS);
    if (message.propose.on_breach == SP_BREACH_KILL) /* that would be this process */
        message.propose.on_breach = SP_BREACH_REVOKE;
    message.propose.min = below(lives, 4);
    message.propose.frames = 1 + below(lives, 60);
    message.propose.term_ns = below(lives, 4) == 0 ? (1 + below(lives, 50)) * MS : SP_FOREVER;
    message.propose.t_clean = grace;
    message.propose.t_drop = grace;
    if (!ask(lives, peer, &message, &reply))
        return;
    if (reply.type == WIRE_OFFER && reply.offer.answer == SP_COUNTERED) {
        message = (struct wire_message){.type = WIRE_ACCEPT};
        message.accept.contract = reply.offer.contract;
        if (!ask(lives, peer, &message, &reply))
            return;
    }
    lives->lives += is_active(&reply);
}

static void split(struct lives *lives, struct life_peer *peer)
{
    struct wire_message message = {.type = WIRE_SPLIT}, reply;

    message.split.contract = one_of(lives, peer->contract, peer->contracts);
    message.split.frames = 1 + below(lives, 20);
    if (!ask(lives, peer, &message, &reply) || reply.type != WIRE_PART)
        return;
    assert_true(reply.part.token != 0 && reply.part.frames == message.split.frames);
    lives->token[peer->silent][lives->tokens++ % 4] = reply.part.token;
    peer->part[peer->parts++ % RING] = reply.part.part;
}

static void claim(struct lives *lives, struct life_peer *peer)
{
    struct wire_message message = {.type = WIRE_CLAIM}, reply;

    message.claim.token = lives->token[peer->silent][below(lives, 4)];
    if (!ask(lives, peer, &message, &reply))
        return;
    lives->lives += is_active(&reply);
    lives->claimed += is_active(&reply);
}

static void change(struct lives *lives, struct life_peer *peer)
{
    uint32_t contract = one_of(lives, peer->contract, peer->contracts);
    struct wire_message message = {.type = WIRE_CLOSE}, reply;

    switch (below(lives, 10)) {
    case 0:
        message.type = WIRE_RESIZE;
        message.resize.contract = contract;
        message.resize.frames = below(lives, 70);
        break;
    case 1:
        message.type = WIRE_RENEW;
        message.renew.contract = contract;
        message.renew.term_ns = (1 + below(lives, 50)) * MS;
        break;
    case 2:
        message.type = WIRE_REABSORB;
        message.reabsorb.part = one_of(lives, peer->part, peer->parts);
        break;
    case 3:
        message.type = WIRE_ACCEPT;
        message.accept.contract = contract;
        break;
    default:
        message.close.contract = contract;
        break;
    }
    if (ask(lives, peer, &message, &reply))
        lives->resized += message.type == WIRE_RESIZE && is_active(&reply);
}

/* Its answer may have to wait for other peers, which are served meanwhile. */
static void allocate(struct lives *lives, struct life_peer *peer)
{
    struct wire_message message = {.type = WIRE_ALLOCATE};

    peer->start = below(lives, SLOTS - 20);
    peer->waiting = ++peer->peer.request.seq;
    message.seq = peer->waiting;
    message.allocate.container = peer->peer.container;
    message.allocate.start = peer->start;
    message.allocate.count = 1 + below(lives, 20);
    message.allocate.flags = WIRE_ALLOCATE_PARTIAL | WIRE_ALLOCATE_EXTRA;
    assert_int_equal(wire_client_send(&peer->peer.request, &message, -1), 0);
}

/* So that extents are made, and truncated. */
static void map(struct lives *lives, struct life_peer *peer)
{
    struct wire_message message = {.type = WIRE_MAP}, reply;

    message.map.container = peer->peer.container;
    message.map.start = below(lives, SLOTS);
    message.map.count = 1;
    message.map.rights = WIRE_RIGHT_READ | WIRE_RIGHT_WRITE;
    ask(lives, peer, &message, &reply);
}

/* One that is there and waits for nothing; NULL if there is none. */
static struct life_peer *somebody(struct lives *lives)
{
    uint32_t first = below(lives, PEERS);

    for (uint32_t i = 0; i < PEERS; i++) {
        struct life_peer *peer = &lives->peer[(first + i) % PEERS];

        if (peer->there && peer->waiting == 0)
            return peer;
    }
    return NULL;
}

static void step(struct lives *lives)
{
    struct life_peer *peer = somebody(lives);
    unsigned what = below(lives, 100);

    serve_ready(lives, peer == NULL);
    if (peer == NULL || !peer->there || peer->waiting != 0)
        return;
    if (what < 40)
        propose(lives, peer);
    else if (what < 70)
        change(lives, peer);
    else if (what < 75)
        split(lives, peer);
    else if (what < 80)
        claim(lives, peer);
    else if (what < 97)
        allocate(lives, peer);
    else
        map(lives, peer);
}

/* Let everything that is under way come to its end, and compare what each task knows. */
static void settle(struct lives *lives)
{
    struct wire_message message, reply, task;

    for (unsigned i = 0; i < PEERS; i++)
        while (lives->peer[i].there && lives->peer[i].waiting != 0)
            serve_ready(lives, true);
    for (unsigned i = SILENT; i < PEERS; i++) {
        struct life_peer *peer = &lives->peer[i];

        do {
            uint32_t held = peer->held;

            /* When this is answered, what was sent before it has been heard. */
            message = (struct wire_message){.type = WIRE_VITAL};
            message.vital.container = peer->peer.container;
            assert_int_equal(wire_client_call(&peer->peer.control, &message, -1, &reply), 0);
            assert_int_equal(reply.error, 0);
            assert_true(serve(peer));
            if (held == peer->held)
                break;
        } while (true);
    }
    check(lives);
    for (unsigned i = SILENT; i < PEERS; i++) {
        bool found = false;

        message = (struct wire_message){.type = WIRE_STATUS, .seq = ++lives->observer.seq};
        message.status.after = lives->peer[i].peer.request.id - 1;
        assert_int_equal(wire_client_send(&lives->observer, &message, -1), 0);
        do {
            assert_int_equal(wire_client_receive(&lives->observer, &task, NULL), 0);
            if (task.type == WIRE_TASK_STATUS &&
                task.task_status.id == lives->peer[i].peer.request.id) {
                found = true;
                /* Recalls may come at any time, and frames go; they never come by themselves. */
                assert_int_equal(task.task_status.held, lives->peer[i].held);
            }
        } while (task.type != WIRE_PHYSMEM_STATUS);
        assert_true(found);
    }
}

static void play(struct lives *lives, uint32_t wanted)
{
    static const char *const args[] = {"--reserve", RESERVE, NULL};
    uint32_t until = lives->lives + wanted;

    assert_int_equal(physmem_start(&lives->server, FRAMES, args), 0);
    assert_int_equal(wire_client_open(&lives->observer, lives->server.socket, WIRE_ROLE_OBSERVER, 0,
                                      0, "observer", NULL),
                     0);
    lives->arrivals = 0;
    for (unsigned i = 0; i < PEERS; i++) {
        lives->peer[i].silent = i < SILENT;
        arrive(lives, &lives->peer[i]);
    }
    for (uint32_t steps = 0; lives->lives < until; steps++) {
        step(lives);
        if (steps % 4 == 0)
            check(lives);
    }
    settle(lives);
    for (unsigned i = 0; i < PEERS; i++)
        if (lives->peer[i].there)
            physmem_peer_close(&lives->peer[i].peer);
    wire_client_close(&lives->observer);
    assert_int_equal(server_process_stop(&lives->server), 0);
}

static void test_ten_thousand_random_lives(void **state)
{
    struct lives *lives = *state;
    uint32_t plays = RUNNING_ON_VALGRIND ? 2 : 10;
    uint32_t each = RUNNING_ON_VALGRIND ? 250 : 1000;
    uint64_t breaches = 0, warnings = 0, repossessed = 0;

    for (uint32_t i = 0; i < plays; i++) {
        lives->random = random_seeded(i + 1);
        play(lives, each);
        breaches += lives->breaches;
        warnings += lives->warnings;
        repossessed += lives->repossessed;
    }
    print_message("%u contracts, %u of them parts; %u resized; books compared %u times; %llu "
                  "revoked, %llu warned, %llu frames repossessed\n",
                  lives->lives, lives->claimed, lives->resized, lives->checks,
                  (unsigned long long)breaches, (unsigned long long)warnings,
                  (unsigned long long)repossessed);
    assert_true(lives->lives >= plays * each);
    assert_true(lives->claimed > 0 && lives->resized > 0);
    assert_true(breaches + warnings + repossessed > 0);
}

static int setup(void **state)
{
    static struct lives lives;

    *state = &lives;
    return server_process_init(&lives.server);
}

static int teardown(void **state)
{
    struct lives *lives = *state;

    server_process_fini(&lives->server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ten_thousand_random_lives, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "play/policyserver.h"

#include <errno.h>
#include <signal.h>

#include "base/assert.h"
#include "core/physmem/policyserver.h"
#include "play/server.h"
#include "play/policytable.h"

#define NS_PER_MS UINT64_C(1000000)

/* What an entry stands for: messages to physmem, to the policy server, and what it waits for itself. */
enum {
    TO_GET_CONTROL,
    TO_LIMITS,    /* all of them, as a set */
    TO_NO_LIMITS, /* it leaves */
    TO_ENTITLED,
    FROM_CONTROL, /* control, or another table */
    FROM_LIMITS,  /* limits are in force */
    FROM_NO_LIMITS,
    FROM_RING,
    FROM_NOBODY, /* physmem has ended */
    OWN_LOOK,
    OWN_START,
    OWN_RENEW, /* signals that came while it hung */
    OWN_LEAVE
};

void policyserver_prepare(struct policyserver *server, const struct policyserver_config *config,
                          struct scene *scene)
{
    *server = (struct policyserver){.scene = scene, .config = config};
    rounds_init(&server->rounds, scene->allocator);
}

void policyserver_dismiss(struct policyserver *server)
{
    rounds_fini(&server->rounds);
    server->config = NULL;
}

/* ---- Messages ---- */

static void send_later(struct policyserver *server, uint64_t *lane, uint64_t what, uint64_t later)
{
    uint64_t arrival = server->scene->now + later;

    if (arrival <= *lane)
        arrival = *lane + 1;
    *lane = arrival;
    scene_at(server->scene, arrival, SCENE_POLICY, 0, server->life, what);
}

static void send(struct policyserver *server, uint64_t *lane, uint64_t what)
{
    send_later(server, lane, what, server->scene->costs.round_trip / 2);
}

static void tell(struct policyserver *server, uint64_t what)
{
    send(server, &server->up, what);
}

static void answer(struct policyserver *server, uint64_t what)
{
    send(server, &server->down, what);
}

void policyserver_notify(struct policyserver *server)
{
    struct scene *scene = server->scene;

    if (server->has_control && scene->grown)
        answer(server, FROM_CONTROL);
    if (server->has_control && scene->rung)
        answer(server, FROM_RING);
    scene->grown = scene->rung = false;
}

/* ---- Physmem's end ---- */

static bool give_control(struct policyserver *server)
{
    struct scene *scene = server->scene;

    if (!policytable_make(scene)) {
        scene->failed = true;
        return false;
    }
    physmem_policyserver_begin(scene->physmem->core, scene->now);
    server->has_control = true;
    return true;
}

static void set_limits(struct policyserver *server, const struct limit *limits, uint32_t count)
{
    struct scene *scene = server->scene;

    if (physmem_policyserver_limits(scene->physmem->core, scene->now, limits, count) != 0)
        scene->failed = true;
}

/* The connection has ended. */
static void lose_control(struct policyserver *server)
{
    if (!server->has_control)
        return;
    server->has_control = false;
    physmem_policyserver_end(server->scene->physmem->core, server->scene->now);
}

/* ---- The process ---- */

/* Nanoseconds to the next round, in whole milliseconds as a live one counts. */
static uint64_t pause_ns(const struct policyserver *server)
{
    uint64_t now = server->scene->now, due = rounds_due(&server->rounds);
    uint64_t pause = server->config->period_ns;

    if (due < now + pause)
        pause = due > now ? due - now : 0;
    return ((pause + NS_PER_MS - 1) / NS_PER_MS + (pause == 0)) * NS_PER_MS;
}

static void look(struct policyserver *server, bool at_once)
{
    struct scene *scene = server->scene;
    int64_t changed;

    if (server->state != POLICYSERVER_RULES)
        return;
    changed = rounds_run(&server->rounds, scene->now, NULL, NULL);
    if (changed < 0)
        scene->failed = true;
    if (at_once)
        physmem_policyserver_entitled(scene->physmem->core, scene->now);
    else if (changed > 0 || server->rung)
        tell(server, TO_ENTITLED);
    server->rung = false;
    server->look_ns = scene->now + pause_ns(server);
    scene_at(scene, server->look_ns, SCENE_POLICY, 0, server->life, OWN_LOOK);
}

/* It has control: the table, and its arbiter. */
static void take_control(struct policyserver *server)
{
    const struct arbiter_choice *arbiter = server->config->arbiter;

    if (rounds_table(&server->rounds, policytable_current(server->scene)) != 0 ||
        (arbiter != NULL && !server->rounds.decides &&
         rounds_arbiter(&server->rounds, arbiter) != 0))
        server->scene->failed = true;
    server->rung = true;
}

static void forget_rounds(struct policyserver *server)
{
    const struct allocator *allocator = server->rounds.allocator;

    rounds_fini(&server->rounds);
    rounds_init(&server->rounds, allocator);
}

/* The process has ended. */
static void end(struct policyserver *server)
{
    server->state = POLICYSERVER_AWAY;
    server->life++;
    server->hangs = server->lost = false;
    server->happened = 0;
    forget_rounds(server);
    lose_control(server);
    server_effects(server->scene);
}

void policyserver_lost(struct policyserver *server)
{
    server->has_control = false;
    forget_rounds(server);
    policytable_fini(server->scene);
    if (server->state == POLICYSERVER_AWAY)
        return;
    server->lost = true;
    answer(server, FROM_NOBODY);
}

void policyserver_come_first(struct policyserver *server)
{
    if (server->config == NULL || !give_control(server))
        return;
    server->state = POLICYSERVER_RULES;
    take_control(server);
    set_limits(server, server->config->limits, server->config->limits_count);
    look(server, true);
    server_effects(server->scene);
}

int policyserver_start(struct policyserver *server)
{
    ensure(server->config != NULL);
    if (server->state != POLICYSERVER_AWAY)
        return -EEXIST;
    if (server->scene->server[SCENE_PHYSMEM].away)
        return -ECONNREFUSED;
    server->state = POLICYSERVER_ASKS;
    scene_at(server->scene, server->scene->now + server->scene->costs.start, SCENE_POLICY, 0,
             server->life, OWN_START);
    return 0;
}

/* The first has it give control back; a second one just ends it. */
static void leave(struct policyserver *server)
{
    if (server->state != POLICYSERVER_RULES) {
        end(server);
        return;
    }
    server->state = POLICYSERVER_LEAVES;
    rounds_give_back(&server->rounds);
    tell(server, TO_ENTITLED);
    tell(server, TO_NO_LIMITS);
}

static void hear(struct policyserver *server, uint64_t what)
{
    if (server->lost) {
        end(server);
        return;
    }
    switch (what) {
    case OWN_START:
        tell(server, TO_GET_CONTROL);
        break;
    case FROM_CONTROL:
        take_control(server);
        if (server->state == POLICYSERVER_ASKS)
            tell(server, TO_LIMITS);
        else
            look(server, false);
        break;
    case FROM_LIMITS:
        if (server->state == POLICYSERVER_ASKS)
            server->state = POLICYSERVER_RULES;
        server->rung = true;
        look(server, false);
        break;
    case FROM_NO_LIMITS:
        end(server);
        break;
    case FROM_RING:
        server->rung = true;
        look(server, false);
        break;
    case OWN_RENEW:
        if (server->state == POLICYSERVER_RULES)
            tell(server, TO_LIMITS);
        break;
    case OWN_LEAVE:
        leave(server);
        break;
    default:
        look(server, false);
        break;
    }
}

/* What it could not hear while it hung, in an order in which it could have been sent. */
static void hear_again(struct policyserver *server)
{
    uint32_t life = server->life;
    uint64_t happened = server->happened;

    server->happened = 0;
    for (uint64_t what = FROM_CONTROL; what <= OWN_LEAVE; what++)
        if ((happened >> what & 1) != 0 && server->life == life)
            hear(server, what);
}

static void hear_or_keep(struct policyserver *server, uint64_t what)
{
    if (server->hangs)
        server->happened |= UINT64_C(1) << what;
    else
        hear(server, what);
}

int policyserver_signal(struct policyserver *server, int signal)
{
    ensure(server->config != NULL);
    if (server->state == POLICYSERVER_AWAY)
        return -ESRCH;
    switch (signal) {
    case SIGHUP:
        hear_or_keep(server, OWN_RENEW);
        break;
    case SIGSTOP:
        server->hangs = true;
        break;
    case SIGCONT:
        server->hangs = false;
        hear_again(server);
        break;
    case SIGTERM:
    case SIGINT:
        hear_or_keep(server, OWN_LEAVE);
        break;
    default:
        end(server);
        break;
    }
    server_effects(server->scene);
    return 0;
}

/* A message has reached physmem. */
static void hear_at_physmem(struct policyserver *server, uint64_t what)
{
    struct scene *scene = server->scene;

    switch (what) {
    case TO_GET_CONTROL:
        if (give_control(server))
            answer(server, FROM_CONTROL);
        break;
    case TO_LIMITS:
        set_limits(server, server->config->limits, server->config->limits_count);
        answer(server, FROM_LIMITS);
        break;
    case TO_NO_LIMITS:
        set_limits(server, NULL, 0);
        answer(server, FROM_NO_LIMITS);
        break;
    default:
        physmem_policyserver_entitled(scene->physmem->core, scene->now);
        break;
    }
    server_effects(scene);
}

void policyserver_happen(struct policyserver *server, const struct queue_entry *entry)
{
    uint64_t what = entry->value[0];

    if (entry->value[1] != server->life || (what == OWN_LOOK && entry->when != server->look_ns))
        return;
    check(server->state != POLICYSERVER_AWAY);
    if (server->lost && what != FROM_NOBODY)
        return;
    if (what <= TO_ENTITLED && server->scene->server[SCENE_PHYSMEM].hangs)
        send_later(server, &server->up, what, NS_PER_MS);
    else if (what <= TO_ENTITLED)
        hear_at_physmem(server, what);
    else
        hear_or_keep(server, what);
}

#include "play/play.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "core/physmem/status.h"
#include "core/physmem/task.h"
#include "play/checks.h"
#include "play/control.h"
#include "play/deal.h"
#include "play/digest.h"
#include "play/life.h"
#include "play/metering.h"
#include "play/outage.h"
#include "play/parting.h"
#include "play/rules.h"
#include "play/server.h"
#include "play/starting.h"
#include "play/storm.h"
#include "play/policytable.h"
#include "play/sublet.h"
#include "play/telling.h"
#include "play/thread.h"

/* How often idleness is sampled, for an arbiter that wants to know. */
#define SAMPLE_PERIOD_NS UINT64_C(500000000)

/* How often a message for a task that hangs looks whether it still does. */
#define HANG_LOOK_NS UINT64_C(1000000)

/* Of a task that cannot connect. */
#define EXIT_CANNOT 2

/* How long the servers may take to notice that all tasks have ended. */
#define SETTLE_NS UINT64_C(60000000000)

/* Lives that an actor may lose after a storm; and how many that ended because a contract was refused count as one of
 * them: others may have the frames for a while, a long one where messages are slow. */
#define LIVES_AFTER    5u
#define REFUSED_AS_ONE 40u

/* What the play itself does at a time: values of SCENE_OTHER from here on. */
#define OWN_SAMPLE (UINT64_MAX - 1)
#define OWN_CHAOS  UINT64_MAX

static bool samples_idleness(const struct play_config *config)
{
    bool samples = (config->arbiter->flags & SP_ARBITER_IDLE) != 0;

    for (uint32_t i = 0; i < config->stacked_count; i++)
        samples = samples || (config->stacked[i].arbiter->flags & SP_ARBITER_IDLE) != 0;
    return samples;
}

int play_init(struct play *play, const struct play_config *config)
{
    int rc;

    memset(play, 0, sizeof(*play));
    play->config = *config;
    play->samples = random_stream(config->seed, STREAM_SAMPLES);
    play->chaos = random_stream(config->seed, STREAM_CHAOS);
    scene_init(&play->scene, &config->costs, config->allocator, config->fresh);
    play->scene.kernel_bits = config->kernel_bits;
    play->actor = memory_new(config->allocator, config->actors * sizeof(*play->actor));
    if (play->actor == NULL)
        return -ENOMEM;
    if (config->shuffled)
        world_queue_shuffle(&play->scene.queue, random_stream(config->seed, STREAM_ORDER));
    rc = starting_physmem(play);
    if (rc == 0)
        rc = starting_swap(play);
    if (rc == 0)
        rc = starting_all_stacked(play);
    if (rc == 0)
        rc = starting_files(play);
    policyserver_prepare(&play->policyserver, config->policyserver, &play->scene);
    if (rc == 0)
        policyserver_come_first(&play->policyserver);
    if (rc == 0 && play->scene.failed)
        rc = -ENOMEM;
    if (rc == 0 && samples_idleness(config))
        play_at(play, SAMPLE_PERIOD_NS, OWN_SAMPLE);
    if (rc == 0 && config->chaos_ns > 0)
        play_at(play, config->chaos_ns, OWN_CHAOS);
    return rc;
}

void play_fini(struct play *play)
{
    for (uint32_t i = 0; i < play->actors; i++)
        life_fini(&play->actor[i]);
    fileserver_fini(&play->scene);
    sublet_fini(&play->scene);
    scene_fini(&play->scene);
    policyserver_dismiss(&play->policyserver);
    policytable_fini(&play->scene);
    memory_free(play->config.allocator, play->actor, play->config.actors * sizeof(*play->actor));
    play->actor = NULL;
    play->actors = 0;
}

void play_add(struct play *play, const struct actor_config *config, uint64_t start_ns,
              uint64_t stop_ns)
{
    uint64_t process_ns =
        config->part_of > 0 ? 0 : play->config.costs.start; /* see play/parting.h */
    uint32_t number = play->actors;

    ensure(number < play->config.actors);
    life_init(&play->actor[number], &play->scene, config, number);
    play->actors++;
    play->left++;
    play->actor[number].stop_ns = stop_ns;
    scene_at(&play->scene, start_ns + process_ns, SCENE_START, number, 0, 0);
    if (stop_ns > 0 && config->part_of == 0)
        scene_at(&play->scene, start_ns + stop_ns, SCENE_STOP, number, 0, 0);
}

/* Costs as they are, or as the seed's pace makes them. */
static void take_costs(struct play *play)
{
    const struct costs *costs = &play->config.costs;

    play->scene.costs = play->paced ? storm_pace(play->config.seed, costs) : *costs;
    play->scene.device.costs = play->scene.costs;
}

void play_storm(struct play *play, uint32_t kinds)
{
    uint64_t seed = play->config.seed;

    if ((kinds >> STORM_PACE & 1) != 0) {
        play->paced = true;
        take_costs(play);
        if (play->actors >
            0) /* terms may be shorter than messages take at a slow pace: that has to end, too */
            scene_at(&play->scene, play->config.storm_until, SCENE_RELIEF, 0, 0, STORM_PACE);
    }
    if ((kinds >> STORM_TIES & 1) != 0)
        world_queue_shuffle(&play->scene.queue, random_stream(seed, STREAM_ORDER));
    storm_begin(&play->scene, play->actor, play->actors, kinds, seed, play->config.storm_until,
                play->config.storm_every);
}

void play_at(struct play *play, uint64_t when, uint64_t value)
{
    scene_at(&play->scene, when, SCENE_OTHER, 0, 0, value);
}

/* ---- Events ---- */

/* Whether an actor that has lost a life in a storm comes again: as often as it likes while the storm lasts, and
 * a few times after that, for what the storm has begun. */
static bool comes_again(struct play *play, struct actor *actor)
{
    const struct actor_config *config = actor->config;

    if (play->config.storm_until == 0 || actor->exit_status == 0 ||
        config->tables->workload.ignores)
        return false;
    if (play->scene.now >= play->config.storm_until)
        actor->lives_after += actor->exit_status == EXIT_CANNOT ? 1 : REFUSED_AS_ONE;
    if (actor->lives_after > LIVES_AFTER * REFUSED_AS_ONE)
        return false;
    scene_at(&play->scene, play->scene.now + storm_absence(actor), SCENE_START, actor->number, 0,
             0);
    return true;
}

static void end_life(struct play *play, struct actor *actor)
{
    bool over = !comes_again(play, actor);

    parting_end(actor, over);
    play->left -= over;
}

/* Nobody listens where it would connect. */
static void refuse(struct play *play, struct actor *actor)
{
    actor->began = play->scene.now - play->config.costs.start;
    thread_end(actor, EXIT_CANNOT);
    end_life(play, actor);
}

static void start(struct play *play, struct actor *actor)
{
    if (actor->task != NULL) { /* physmem has not heard of its end yet */
        scene_at(actor->scene, actor->scene->now + HANG_LOOK_NS, SCENE_START, actor->number, 0, 0);
        return;
    }
    if (!parting_starts(actor))
        return;
    actor->life++;
    actor->orphan = false;
    if (!scene_has_servers(actor->scene, actor->physmem))
        refuse(play, actor);
    else if (server_connect(actor))
        life_begin(actor);
}

static void hear_physmem(struct actor *actor, struct letter *letter)
{
    const struct physmem_effect *effect = &letter->said.effect;

    actor->lanes.down_read[effect->kind <= PHYSMEM_REPLY_OFFER ? LANE_PHYSMEM : LANE_CONTROL] =
        actor->scene->now;
    if (effect->kind <= PHYSMEM_REPLY_OFFER && effect->seq == actor->asked &&
        actor->state != THREAD_COMES && !reading_waits(actor)) {
        thread_hear_physmem(actor, letter);
        return;
    }
    if (effect->kind > PHYSMEM_REPLY_OFFER)
        control_hear(actor, letter);
    else if (effect->kind == PHYSMEM_REPLY_OFFER && effect->seq != actor->asked)
        deal_note(actor, effect); /* of a renewal, which nobody waits for */
    else if (actor->state == THREAD_COMES)
        life_answered(actor, effect);
    else if (effect->seq == actor->asked)
        thread_hear_files(actor, reading_heard(actor, effect));
    else
        parting_heard_again(actor, effect);
    scene_drop(actor->scene, letter);
}

static void hear_swap(struct actor *actor, struct letter *letter)
{
    if (letter->lane == LANE_SWAP)
        thread_hear_swap(actor, letter);
    else
        control_hear_swap(actor, letter);
}

static void hear_files(struct actor *actor, int error)
{
    enum reading_result what = reading_answered(actor, error);

    if (actor->state == THREAD_COMES)
        life_hear_files(actor, what);
    else
        thread_hear_files(actor, what);
}

/* Whether an entry is for the life that the actor has now. */
static bool is_for_this_life(const struct actor *actor, const struct queue_entry *entry)
{
    return entry->value[1] == actor->life && actor->memory != NULL &&
           actor->state != THREAD_ENDED && (!actor->orphan || entry->kind == SCENE_CUT);
}

static void drop(struct play *play, const struct queue_entry *entry)
{
    if (entry->kind == SCENE_FROM_PHYSMEM || entry->kind == SCENE_FROM_SWAP)
        scene_drop(&play->scene, (struct letter *)(uintptr_t)entry->value[0]);
}

/* What reaches an actor itself. */
static void act(struct actor *actor, const struct queue_entry *entry)
{
    struct letter *letter = (struct letter *)(uintptr_t)entry->value[0];

    switch ((enum scene_event)entry->kind) {
    case SCENE_THREAD:
        if (entry->value[0] == actor->turn)
            thread_turn(actor);
        break;
    case SCENE_CONTROL:
        if (entry->value[0] == actor->control_due)
            control_look(actor);
        break;
    case SCENE_FROM_PHYSMEM:
        hear_physmem(actor, letter);
        break;
    case SCENE_FROM_SWAP:
        hear_swap(actor, letter);
        break;
    case SCENE_CUT:
        thread_end(actor, THREAD_DIED);
        break;
    case SCENE_FROM_FILES:
        hear_files(actor, (int)entry->value[0]);
        break;
    case SCENE_START:
    case SCENE_STOP:
    case SCENE_TO_PHYSMEM:
    case SCENE_TO_SWAP:
    case SCENE_DEVICE_STORED:
    case SCENE_DEVICE_LOADED:
    case SCENE_FAULT:
    case SCENE_RELIEF:
    case SCENE_POLICY:
    case SCENE_OTHER:
    case SCENE_TURNS:
    case SCENE_UP:
    case SCENE_DOWN:
    case SCENE_LOST:
    case SCENE_TICK:
    case SCENE_TO_FILES:
    case SCENE_FILES:
    case SCENE_EVENTS:
        break;
    }
}

/* An actor that hangs receives nothing: its letters are delivered later, in their order. */
static bool hangs(struct play *play, struct actor *actor, const struct queue_entry *entry)
{
    uint64_t until = play->scene.now + HANG_LOOK_NS;

    if (actor->hangs_until <= play->scene.now)
        return false;
    if (until > actor->hangs_until)
        until = actor->hangs_until;
    /* Two that are put off to one time would come in any order. */
    if (until <= actor->put_off)
        until = actor->put_off + 1;
    actor->put_off = until;
    scene_at(&play->scene, until, (enum scene_event)entry->kind, entry->to,
             (uint32_t)entry->value[1], entry->value[0]);
    return true;
}

static void strike(struct play *play, struct actor *actor, enum storm_kind kind)
{
    storm_strike(&play->scene, actor, kind, play->config.storm_until);
    if (kind == STORM_REPLACE)
        (void)policyserver_signal(&play->policyserver, SIGKILL);
    server_effects(&play->scene);
}

static void relieve(struct play *play, enum storm_kind kind)
{
    if (kind == STORM_REPLACE) {
        (void)policyserver_start(&play->policyserver);
    } else if (kind == STORM_PACE) {
        play->paced = false;
        take_costs(play);
    } else {
        storm_relieve(&play->scene, kind);
    }
}

/* A physmem has told its tasks that all was taken. */
static void end_lost(struct play *play, const struct queue_entry *entry)
{
    struct scene_physmem *physmem = &play->scene.physmem[entry->to];

    if (physmem->core != NULL && entry->value[1] == scene_state_of(&play->scene, physmem)->life)
        outage_end(&play->scene, scene_server_of(physmem), play->actor, play->actors);
}

static bool is_between_physmems(const struct queue_entry *entry)
{
    return entry->kind == SCENE_UP || entry->kind == SCENE_DOWN || entry->kind == SCENE_LOST;
}

/* The actor that an entry is for; the first one if it is for none. */
static struct actor *actor_of(struct play *play, const struct queue_entry *entry)
{
    return &play->actor[is_between_physmems(entry) ? 0 : entry->to];
}

static void happen(struct play *play, const struct queue_entry *entry)
{
    struct actor *actor = actor_of(play, entry);
    struct letter *letter = (struct letter *)(uintptr_t)entry->value[0];

    switch ((enum scene_event)entry->kind) {
    case SCENE_START:
        if (play->calm || play->scene.now >= play->config.storm_until)
            actor->grace_ns = 0;
        start(play, actor);
        break;
    case SCENE_STOP:
        (void)play_signal(play, entry->to, SIGTERM);
        break;
    case SCENE_TO_PHYSMEM:
    case SCENE_TO_SWAP:
    case SCENE_DEVICE_STORED:
    case SCENE_DEVICE_LOADED:
    case SCENE_UP:
    case SCENE_DOWN:
        if (!outage_takes(&play->scene, play->actor, entry))
            outage_read(&play->scene, play->actor, (enum scene_event)entry->kind, letter);
        break;
    case SCENE_FAULT:
        if (!play->calm)
            strike(play, actor, (enum storm_kind)entry->value[0]);
        break;
    case SCENE_RELIEF:
        relieve(play, (enum storm_kind)entry->value[0]);
        break;
    case SCENE_POLICY:
        policyserver_happen(&play->policyserver, entry);
        break;
    case SCENE_TURNS:
        metering_look(&play->scene);
        break;
    case SCENE_LOST:
        end_lost(play, entry);
        break;
    case SCENE_TO_FILES:
        fileserver_hear(actor, letter);
        break;
    case SCENE_FILES:
        fileserver_happen(&play->scene, entry);
        break;
    case SCENE_THREAD:
    case SCENE_CONTROL:
    case SCENE_FROM_PHYSMEM:
    case SCENE_FROM_SWAP:
    case SCENE_FROM_FILES:
    case SCENE_CUT:
        if (!is_for_this_life(actor, entry))
            drop(play, entry);
        else if (!hangs(play, actor, entry))
            act(actor, entry);
        break;
    case SCENE_OTHER:
    case SCENE_TICK:
    case SCENE_EVENTS:
        break;
    }
}

static bool one_acts(const struct play *play, const struct scene_physmem *physmem)
{
    const struct scene_server_state *server = &play->scene.server[scene_server_of(physmem)];

    return !server->away && !server->hangs;
}

/* The first one does. */
static bool physmem_acts(const struct play *play)
{
    return one_acts(play, play->scene.physmem);
}

/* Note how idle tasks are, where an arbiter wants to know. */
static void sample(struct play *play)
{
    for (uint32_t i = 0; i < play->scene.physmems; i++) {
        const struct sp_arbiter *arbiter =
            i == 0 ? play->config.arbiter : play->config.stacked[i - 1].arbiter;

        if ((arbiter->flags & SP_ARBITER_IDLE) != 0 && one_acts(play, &play->scene.physmem[i]))
            physmem_sample(play->scene.physmem[i].core, play->scene.now, &play->samples);
    }
}

/* What the play does by itself. False: it is for the caller. */
static bool happen_by_itself(struct play *play, const struct queue_entry *entry)
{
    if (entry->value[0] == OWN_SAMPLE) {
        sample(play);
        play_at(play, play->scene.now + SAMPLE_PERIOD_NS, OWN_SAMPLE);
    } else if (entry->value[0] == OWN_CHAOS) {
        if (play->calm)
            return true;
        if (physmem_acts(play))
            physmem_unmap_random(play->scene.physmem->core, play->scene.now, &play->chaos);
        play_at(play, play->scene.now + play->config.chaos_ns, OWN_CHAOS);
    } else {
        return false;
    }
    server_effects(&play->scene);
    return true;
}

static void note_last(struct play *play, const struct queue_entry *entry)
{
    play->last = *entry;
    play->last_letter =
        telling_of_letter(entry); /* before it happens: the letter is gone after it */
}

void play_describe(const struct play *play, char *text, size_t size)
{
    bool ours = play->last.kind >= SCENE_POLICY || play->actors == 0;

    snprintf(text, size, "%s%s%s%s%s", ours ? "" : play->actor[play->last.to].config->name,
             ours ? "" : ": ", telling_of_event(&play->last), play->last_letter != NULL ? ": " : "",
             play->last_letter != NULL ? play->last_letter : "");
}

/* ---- After an event ---- */

void play_look(struct play *play, uint32_t number)
{
    struct actor *actor = &play->actor[number];

    if (actor->task != NULL)
        physmem_task_get_status(actor->task, &actor->seen);
}

/* The program of an actor has ended, if that is new. */
static void see_end(struct play *play, struct actor *actor)
{
    if (actor->state != THREAD_ENDED || actor->memory == NULL)
        return;
    play_look(play, actor->number);
    if (actor->revoked && play->config.strict)
        rules_check_revoked(&play->scene, actor);
    life_leave(actor);
    play->references += actor->references;
    actor->references = 0;
    end_life(play, actor);
}

/* A program can also end because of what happens to another one. */
static void see_ends(struct play *play)
{
    if (play->endings == play->scene.endings)
        return;
    play->endings = play->scene.endings;
    for (uint32_t i = 0; i < play->actors; i++)
        see_end(play, &play->actor[i]);
}

static void after(struct play *play, const struct queue_entry *entry)
{
    struct actor *actor = actor_of(play, entry);
    uint32_t every = play->config.check_every;

    play->events++;
    policyserver_notify(&play->policyserver);
    checks_time(play);
    outage_lose(&play->scene);
    see_ends(play);
    checks_quickly(play, entry, actor);
    if (every > 0 && play->events % every == 0)
        checks_all(play, actor);
    digest_event(play, entry, actor,
                 is_between_physmems(entry) ? &play->scene.physmem[entry->to].lessee : NULL);
}

/* The physmem whose own deadline is next, before all messages; NULL: there is none. Messages that come at the same time
 * come first. */
static struct scene_physmem *tick_is_next(struct play *play)
{
    struct scene_physmem *next = NULL;
    uint64_t due = world_queue_due(&play->scene.queue);

    for (uint32_t i = 0; i < play->scene.physmems; i++) {
        struct scene_physmem *physmem = &play->scene.physmem[i];

        if (one_acts(play, physmem) && physmem_deadline(physmem->core) < due) {
            next = physmem;
            due = physmem_deadline(physmem->core);
        }
    }
    return next;
}

static void tick(struct play *play, struct scene_physmem *physmem)
{
    static const struct queue_entry entry = {.kind = SCENE_TICK};

    if (physmem_deadline(physmem->core) > play->scene.now)
        play->scene.now = physmem_deadline(physmem->core);
    note_last(play, &entry);
    physmem_tick(physmem->core, play->scene.now);
    server_effects(&play->scene);
    after(play, &entry);
}

/* While something happens to one actor, what is needed of the next one can come into the processor's cache. */
static void expect_next(const struct play *play)
{
    const struct queue_entry *next = world_queue_peek(&play->scene.queue);

    if (next != NULL && next->kind == SCENE_THREAD)
        thread_expect(&play->actor[next->to]);
}

enum play_step play_next(struct play *play, uint64_t *valuep)
{
    struct scene_physmem *physmem;
    struct queue_entry entry;
    bool ours = true;

    if (play->scene.failed)
        return PLAY_FAILED;
    if (play->scene.wrong[0] != '\0')
        return PLAY_WRONG;
    if (play->left == 0)
        return PLAY_OVER;
    physmem = tick_is_next(play);
    if (physmem != NULL) {
        tick(play, physmem);
        return PLAY_EVENT;
    }
    if (!world_queue_take(&play->scene.queue, UINT64_MAX, &entry))
        return PLAY_OVER;
    expect_next(play);
    play->scene.now = entry.when;
    note_last(play, &entry);
    if (entry.kind == SCENE_OTHER)
        ours = happen_by_itself(play, &entry);
    else
        happen(play, &entry);
    after(play, &entry);
    if (!ours)
        *valuep = entry.value[0];
    return ours ? PLAY_EVENT : PLAY_OTHER;
}

void play_settle(struct play *play)
{
    uint64_t until = play->scene.now + SETTLE_NS;
    struct scene_physmem *physmem;
    struct queue_entry entry;

    while (play->scene.wrong[0] == '\0' && physmem_acts(play)) {
        checks_time(play);
        if (rules_settled(&play->scene)) {
            if (play->scene.files.task == NULL)
                break;
            fileserver_end(&play->scene, false);
        }
        physmem = tick_is_next(play);
        if (physmem != NULL && physmem_deadline(physmem->core) <= until) {
            tick(play, physmem);
        } else if (world_queue_take(&play->scene.queue, until, &entry)) {
            play->scene.now = entry.when;
            if (entry.kind == SCENE_OTHER)
                (void)happen_by_itself(play, &entry);
            else
                happen(play, &entry);
            outage_lose(&play->scene);
            policyserver_notify(&play->policyserver);
        } else {
            break;
        }
    }
}

/* ---- From outside ---- */

void play_calm(struct play *play, uint64_t seed)
{
    play->calm = true;
    for (enum storm_kind kind = 0; kind < STORM_COUNT; kind++)
        if (kind == STORM_SLOW || kind == STORM_FAIL || kind == STORM_FULL)
            storm_relieve(&play->scene, kind);
    play->samples = random_stream(seed, STREAM_SAMPLES);
    play->scene.device.random = random_stream(seed, STREAM_DEVICE);
    for (uint32_t i = 0; i < play->actors; i++) {
        struct actor *actor = &play->actor[i];
        uint64_t own = random_stream(seed, STREAM_DEVICE + 1 + i).state;

        if (actor->hangs_until != UINT64_MAX) /* the scenario stopped it, and lets it go on */
            actor->hangs_until = 0;
        actor->late_until = 0;
        actor->walk.pages = random_stream(own, 1);
        actor->walk.writes = random_stream(own, 2);
    }
}

int play_signal(struct play *play, uint32_t number, int signal)
{
    struct actor *actor = &play->actor[number];

    if (actor->memory == NULL || actor->state == THREAD_ENDED)
        return -ESRCH;
    if (signal == SIGSTOP)
        actor->hangs_until = UINT64_MAX;
    else if (signal == SIGCONT)
        actor->hangs_until = 0;
    else if (!outage_is_ignored(signal))
        thread_end(actor, 128 + signal);
    actor->struck = actor->struck || signal == SIGSTOP;
    see_end(play, actor);
    return 0;
}

static enum scene_server in_scene(enum play_server which)
{
    return which >= PLAY_STACKED ? (enum scene_server)(SCENE_STACKED + (which - PLAY_STACKED))
           : which == PLAY_SWAP  ? SCENE_SWAP
                                 : SCENE_PHYSMEM;
}

bool play_server_runs(const struct play *play, enum play_server which)
{
    if (which == PLAY_POLICYSERVER)
        return play->policyserver.state != POLICYSERVER_AWAY && !play->policyserver.lost;
    if (which == PLAY_FILESERVER)
        return play->scene.files.task != NULL;
    return !play->scene.server[in_scene(which)].away;
}

bool play_server_hangs(const struct play *play, enum play_server which)
{
    return which == PLAY_POLICYSERVER ? play->policyserver.hangs
           : which == PLAY_FILESERVER ? play->scene.files.hangs
                                      : play->scene.server[in_scene(which)].hangs;
}

static void signal_server(struct play *play, enum scene_server which, int signal)
{
    struct scene *scene = &play->scene;

    if (signal == SIGSTOP) {
        outage_hang(scene, which);
    } else if (signal == SIGCONT) {
        outage_resume(scene, which, play->actor);
    } else if (!outage_server_ignores(signal)) {
        outage_end(scene, which, play->actor, play->actors);
        if (which == SCENE_PHYSMEM)
            policyserver_lost(&play->policyserver);
    }
    outage_lose(&play->scene);
    see_ends(play);
}

static void signal_files(struct play *play, int signal)
{
    struct scene *scene = &play->scene;

    if (signal == SIGSTOP)
        scene->files.hangs = true;
    else if (signal == SIGCONT)
        fileserver_resume(scene);
    else if (!outage_server_ignores(signal))
        fileserver_end(scene, false);
}

int play_server_signal(struct play *play, enum play_server which, int signal)
{
    int rc = 0;

    if (!play_server_runs(play, which))
        return -ESRCH;
    if (which == PLAY_POLICYSERVER)
        rc = policyserver_signal(&play->policyserver, signal);
    else if (which == PLAY_FILESERVER)
        signal_files(play, signal);
    else
        signal_server(play, in_scene(which), signal);
    policyserver_notify(&play->policyserver);
    return rc;
}

static int restart_stacked(struct play *play, struct scene_physmem *physmem)
{
    char text[SCENE_TEXT];

    if (!one_acts(play, physmem->lessee.above) || starting_stacked(play, physmem, text) != NULL)
        return -ECONNREFUSED;
    play->scene.server[scene_server_of(physmem)].away = false;
    return 0;
}

static int restart_files(struct play *play)
{
    char text[SCENE_TEXT];

    return physmem_acts(play) && fileserver_start(&play->scene, text) == NULL ? 0 : -ECONNREFUSED;
}

int play_server_start(struct play *play, enum play_server which)
{
    int rc;

    if (play_server_runs(play, which))
        return -EEXIST;
    if (which == PLAY_POLICYSERVER)
        return policyserver_start(&play->policyserver);
    if (which == PLAY_FILESERVER)
        return restart_files(play);
    if (which >= PLAY_STACKED)
        return restart_stacked(play, scene_physmem_of(&play->scene, in_scene(which)));
    rc = which == PLAY_SWAP ? starting_swap(play) : starting_physmem(play);
    take_costs(play);
    if (rc != 0)
        play->scene.failed = true;
    else
        play->scene.server[in_scene(which)].away = false;
    return 0;
}

int64_t play_recall(struct play *play, uint32_t number, uint32_t frames)
{
    struct scene_physmem *physmem = play->actor[number].physmem;
    int64_t recalled;

    if (!one_acts(play, physmem))
        return physmem->core != NULL ? -EAGAIN : -EPIPE;
    recalled = physmem_recall_from(physmem->core, play->scene.now, play->actor[number].config->name,
                                   frames);

    server_effects(&play->scene);
    return recalled;
}

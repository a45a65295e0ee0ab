#include "theatre/theatre.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "expression/expression.h"
#include "os/heap.h"
#include "play/life.h"
#include "play/storm.h"
#include "play/thread.h"
#include "theatre/casting.h"
#include "theatre/counted.h"

#define DEFAULT_FRAMES 1024u
#define DEFAULT_SLOTS  4096u
#define DEFAULT_TASKS  16u
#define TASKS_MAX      100000u
#define CHAOS_MAX      1e6

#define NS_PER_S 1e9
#define HOUR_NS  (UINT64_C(3600) * 1000000000)

int sp_world_version(void)
{
    return SP_WORLD_VERSION;
}

/* ---- A world ---- */

static uint32_t or_default(uint32_t given, uint32_t preset)
{
    return given != 0 ? given : preset;
}

static int check_options(const struct sp_world_options *options, struct sp_error *error)
{
    uint32_t frames = or_default(options->frames, DEFAULT_FRAMES);

    if (options->version != SP_WORLD_VERSION)
        return error_set(error, EPROTO,
                         "options of version %u of selfpage/world.h: the library has %d",
                         options->version, SP_WORLD_VERSION);
    if (options->reserve >= frames)
        return error_set(error, EINVAL, "reserve is %u, of %u frames", options->reserve, frames);
    if (options->tasks > TASKS_MAX)
        return error_set(error, EINVAL, "tasks is %u, and at most %u are possible", options->tasks,
                         TASKS_MAX);
    if (!(options->chaos_unmap >= 0 && options->chaos_unmap <= CHAOS_MAX))
        return error_set(error, EINVAL, "chaos_unmap is %g, and may be 0 to a million a second",
                         options->chaos_unmap);
    if (!(options->fail_writes >= 0 && options->fail_writes <= 1))
        return error_set(error, EINVAL, "fail_writes is %g, and may be 0 to 1",
                         options->fail_writes);
    return 0;
}

static struct play_config settle_config(const struct sp_world *world,
                                        const struct sp_world_options *options)
{
    const struct arbiter_choice *choice =
        options->own_arbiter != NULL ? &world->own : &world->arbiter.choice;
    struct play_config config = {.allocator = &heap_allocator,
                                 .fresh = &heap_zeros,
                                 .arbiter = choice->arbiter,
                                 .frames = or_default(options->frames, DEFAULT_FRAMES),
                                 .reserve = options->reserve,
                                 .seed = world->seed,
                                 .costs = costs_default(),
                                 .actors = or_default(options->tasks, DEFAULT_TASKS),
                                 .storm_until = options->faults_until_ns,
                                 .strict = options->faults_until_ns > 0};

    memcpy(config.arbiter_params, choice->params, sizeof(config.arbiter_params));
    if (options->swap_slots != SP_WORLD_NO_SWAP) {
        config.swap_slots = or_default(options->swap_slots, DEFAULT_SLOTS);
        config.fail_writes = (uint64_t)(options->fail_writes * 4294967296.0);
    }
    if (options->chaos_unmap > 0)
        config.chaos_ns = (uint64_t)(NS_PER_S / options->chaos_unmap);
    return config;
}

int sp_world_new(struct sp_world **worldp, const struct sp_world_options *options,
                 struct sp_error *error)
{
    static const struct sp_world_options defaults = {.version = SP_WORLD_VERSION};
    struct sp_world *world;
    struct play_config config;
    int result;

    *worldp = NULL;
    if (options == NULL)
        options = &defaults;
    result = check_options(options, error);
    if (result != 0)
        return result;
    world = calloc(1, sizeof(*world));
    if (world == NULL)
        return error_set(error, ENOMEM, "out of memory");
    world->seed = options->seed != 0 ? options->seed : 1;
    result = casting_arbiter(world, options, error);
    if (result == 0) {
        config = settle_config(world, options);
        result = play_init(&world->play, &config);
        world->role = calloc(config.actors, sizeof(struct role *));
        if (result == -EINVAL)
            error_set(error, EINVAL, "%u frames, %u slots: a number is out of range", config.frames,
                      config.swap_slots);
        else if (result != 0 || world->role == NULL)
            result = error_set(error, ENOMEM, "out of memory");
    }
    if (result != 0)
        sp_world_free(&world);
    *worldp = world;
    return result;
}

void sp_world_free(struct sp_world **worldp)
{
    struct sp_world *world = worldp != NULL ? *worldp : NULL;

    if (world == NULL)
        return;
    if (world->play.actor != NULL)
        play_fini(&world->play);
    casting_end(world);
    free(world->role);
    free(world);
    *worldp = NULL;
}

int sp_world_add(struct sp_world *world, const struct sp_world_task *task, struct sp_error *error)
{
    uint32_t number = world->roles;
    uint64_t now = world->play.scene.now;
    int result;

    if (task->version != SP_WORLD_VERSION)
        return error_set(error, EPROTO,
                         "a task of version %u of selfpage/world.h: the library has %d",
                         task->version, SP_WORLD_VERSION);
    if (number == world->play.config.actors)
        return error_set(error, ENOSPC, "the world was made for %u tasks (sp_world_options.tasks)",
                         number);
    result = casting_role(world, task, error);
    if (result != 0)
        return result;
    play_add(&world->play, &world->role[number]->actor, task->start_ns > now ? task->start_ns : now,
             task->stop_ns);
    return (int)number;
}

/* ---- Time passes ---- */

static int explain_broken(struct sp_world *world, struct sp_error *error)
{
    const struct play *play = &world->play;

    world->state = THEATRE_BROKEN;
    if (play->scene.wrong[0] == '\0')
        return error_set(error, ENOMEM, "out of memory");
    return error_set(error, ENOTRECOVERABLE, "seed %llu, event %llu, at %.9f s: %s",
                     (unsigned long long)world->seed, (unsigned long long)play->events,
                     (double)play->scene.now / NS_PER_S, play->scene.wrong);
}

/* The tasks that have not ended, and what they wait for. */
static int explain_late(const struct sp_world *world, struct sp_error *error)
{
    char late[300] = "";
    size_t length = 0;

    for (uint32_t i = 0; i < world->roles && length < sizeof(late); i++) {
        const struct actor *actor = &world->play.actor[i];

        if (actor->exit_status < 0)
            length +=
                (size_t)snprintf(late + length, sizeof(late) - length, "%s%s (%s)",
                                 length > 0 ? ", " : "", actor->config->name, thread_about(actor));
    }
    return error_set(error, ETIME, "after %.3f s of virtual time tasks have not ended: %s",
                     (double)world->play.scene.now / NS_PER_S, late);
}

int sp_world_step(struct sp_world *world, struct sp_error *error)
{
    struct play *play = &world->play;
    uint64_t value;

    if (!world->begun && play->config.storm_until > 0)
        play_storm(play, storm_swarm(world->seed));
    world->begun = true;
    if (world->state == THEATRE_BROKEN)
        return explain_broken(world, error);
    switch (play_next(play, &value)) {
    case PLAY_EVENT:
    case PLAY_OTHER:
        return play->scene.wrong[0] != '\0' ? explain_broken(world, error) : 1;
    case PLAY_OVER:
        return 0;
    case PLAY_WRONG:
    case PLAY_FAILED:
        break;
    }
    return explain_broken(world, error);
}

uint64_t sp_world_due(const struct sp_world *world)
{
    uint64_t queue = world_queue_due(&world->play.scene.queue);
    uint64_t deadline = physmem_deadline(world->play.scene.physmem->core);

    return queue < deadline ? queue : deadline;
}

int sp_world_run_until(struct sp_world *world, uint64_t ns, struct sp_error *error)
{
    while (world->play.left > 0 && sp_world_due(world) <= ns) {
        int result = sp_world_step(world, error);

        if (result < 0)
            return result;
        if (result == 0) /* nothing can happen any more */
            break;
    }
    if (world->state == THEATRE_BROKEN)
        return explain_broken(world, error);
    if (world->play.left == 0)
        return 1;
    if (world->play.scene.now < ns && sp_world_due(world) != QUEUE_NEVER)
        world->play.scene.now = ns;
    return 0;
}

int sp_world_run(struct sp_world *world, struct sp_error *error)
{
    uint64_t now = world->play.scene.now;
    int result = sp_world_run_until(world, now < UINT64_MAX - HOUR_NS ? now + HOUR_NS : now, error);

    if (result == 0)
        return explain_late(world, error);
    if (result < 0)
        return result;
    if (world->settled != world->roles)
        play_settle(&world->play);
    world->settled = world->roles;
    return world->play.scene.wrong[0] != '\0' ? explain_broken(world, error) : 0;
}

uint64_t sp_world_now(const struct sp_world *world)
{
    return world->play.scene.now;
}

uint64_t sp_world_events(const struct sp_world *world)
{
    return world->play.events;
}

uint64_t sp_world_hash(const struct sp_world *world)
{
    return world->play.hash;
}

/* ---- From outside ---- */

static bool has_task(const struct sp_world *world, int task)
{
    return task >= 0 && (uint32_t)task < world->roles;
}

/* The actor of a task that is there, or NULL with an error; *resultp is then a negative errno. */
static struct actor *find_there(struct sp_world *world, int task, int *resultp,
                                struct sp_error *error)
{
    struct actor *actor;

    if (!has_task(world, task)) {
        *resultp = error_set(error, ENOENT, "there is no task of number %d", task);
        return NULL;
    }
    actor = &world->play.actor[task];
    if (actor->memory != NULL && actor_is_there(actor))
        return actor;
    *resultp = error_set(error, ESRCH, "%s %s", actor->config->name, thread_about(actor));
    return NULL;
}

int64_t sp_world_recall(struct sp_world *world, int task, uint32_t frames, struct sp_error *error)
{
    int result;
    int64_t recalled;

    if (find_there(world, task, &result, error) == NULL)
        return result;
    recalled = frames > 0 ? play_recall(&world->play, (uint32_t)task, frames) : 0;
    if (recalled == -EBUSY)
        return error_set(error, EBUSY, "as many recalls are running as may");
    return recalled > 0 ? recalled
                        : error_set(error, EINVAL, "nothing can be recalled from %s",
                                    world->role[task]->name);
}

int sp_world_signal(struct sp_world *world, int task, int signal, struct sp_error *error)
{
    int result;

    if (find_there(world, task, &result, error) == NULL)
        return result;
    if (signal <= 0 || signal >= NSIG)
        return error_set(error, EINVAL, "%d is not a signal", signal);
    return play_signal(&world->play, (uint32_t)task, signal);
}

/* ---- What is counted ---- */

int sp_world_find(const struct sp_world *world, const char *name)
{
    for (uint32_t i = 0; i < world->roles; i++)
        if (strcmp(world->role[i]->name, name) == 0)
            return (int)i;
    return -ENOENT;
}

int sp_world_exit_status(const struct sp_world *world, int task)
{
    return has_task(world, task) ? world->play.actor[task].exit_status : -ENOENT;
}

int sp_world_stats(const struct sp_world *world, int task, struct sp_stats *stats)
{
    if (!has_task(world, task))
        return -ENOENT;
    *stats = life_stats(&world->play.actor[task]);
    return 0;
}

int sp_world_get(struct sp_world *world, const char *name, uint64_t *valuep, struct sp_error *error)
{
    const char *dot = strchr(name, '.');
    char object[SP_NAME_MAX];
    int result = -ENOENT;

    if (dot != NULL && (size_t)(dot - name) < sizeof(object)) {
        snprintf(object, sizeof(object), "%.*s", (int)(dot - name), name);
        result = counted_get(world, false, object, dot + 1, valuep);
    }
    if (result == 0)
        return 0;
    return error_set(error, -result,
                     "there is no %s \"%.80s\": TASK.faults, physmem.recalls, swap.stores",
                     result == -ENOENT ? "object" : "counter", name);
}

static int look_up(void *arg, bool all, const char *object, const char *field, double *value)
{
    uint64_t number;
    int result = counted_get(arg, all, object, field, &number);

    /* Exit statuses are -1 before the end. */
    if (result == 0)
        *value = number == UINT64_MAX ? -1 : (double)number;
    return result;
}

int sp_world_expect(struct sp_world *world, const char *expectation, struct sp_error *error)
{
    const struct expression_names names = {.look_up = look_up, .arg = world};
    struct expression_sides sides;
    char said[EXPRESSION_SAID];
    int holds = expression_evaluate(expectation, &names, false, &sides, error);

    if (holds == 0)
        error_set(error, 0, "%.300s: %s", expectation, expression_say(said, &sides));
    return holds;
}

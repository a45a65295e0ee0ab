#include "selfpage/simulate/simulation.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "core/physmem/status.h"
#include "play/files.h"
#include "play/life.h"
#include "play/thread.h"
#include "selfpage/scenario/judge.h"
#include "selfpage/simulate/faults.h"

/* How long until a recall from a task that is not attached yet is tried again. */
#define RECALL_AGAIN_NS UINT64_C(5000000)

/* What PLAY_OTHER stands for: the number of an event, or this. */
#define OTHER_TIMEOUT (UINT64_C(1) << 32)

/* By which number Perfetto shows the process of the first task: servers have the ones before. */
#define FIRST_PID (SIMULATION_SWAP_PID + 1)

enum play_event { EVENT_AHEAD, EVENT_DONE, EVENT_FAILED };

/* What the scenario wants of a server, and what has become of it. */
struct simulated_server {
    bool wanted;  /* it is to run */
    bool unasked; /* it has ended all the same, or could not be started again */
    bool hung;    /* at the end */
};

struct simulated {
    struct cast *cast;
    const struct scenario *scenario;
    const struct simulation_options *options;
    struct outcome *outcome;
    struct play play;
    uint8_t *state; /* enum play_event of each event */
    const char **why;
    uint64_t timeline_due;  /* when counters are written next */
    uint64_t recalls_drawn; /* those that physmem had sent */
    struct simulated_server servers[SCENARIO_SERVERS];
    bool timed_out;
    char late[200]; /* tasks that were running then */
};

/* ---- Events ---- */

static void event_fails(struct simulated *simulation, uint64_t index, const char *why)
{
    simulation->state[index] = EVENT_FAILED;
    simulation->why[index] = why;
}

static void send_signal(struct simulated *simulation, uint64_t index)
{
    const struct scenario_event *event = &simulation->scenario->events[index];

    simulation->state[index] = EVENT_DONE;
    if (play_signal(&simulation->play, event->target, event->signal_number) != 0)
        event_fails(simulation, index, "the task does not run");
}

static void recall(struct simulated *simulation, uint64_t index)
{
    const struct scenario_event *event = &simulation->scenario->events[index];
    const struct actor *actor = &simulation->play.actor[event->target];
    int64_t recalled;

    if (actor->memory == NULL || !actor_is_there(actor)) {
        if (actor->state == THREAD_ENDED)
            event_fails(simulation, index, "the task has ended");
        else
            play_at(&simulation->play, simulation->play.scene.now + RECALL_AGAIN_NS, index);
        return;
    }
    recalled = play_recall(&simulation->play, event->target, event->recall);
    if (recalled == -EAGAIN) { /* it will answer when it goes on */
        play_at(&simulation->play, simulation->play.scene.now + RECALL_AGAIN_NS, index);
        return;
    }
    simulation->state[index] = EVENT_DONE;
    if (recalled == -EPIPE)
        event_fails(simulation, index, "physmem is gone");
    else if (recalled == -EBUSY)
        event_fails(simulation, index, "as many recalls are running as may");
    else if (recalled <= 0)
        event_fails(simulation, index, "nothing can be recalled from it");
}

/* Servers in a play have the numbers that they have in a scenario. */
static_assert(PLAY_PHYSMEM == (int)SCENARIO_PHYSMEM && PLAY_SWAP == (int)SCENARIO_SWAP &&
                  PLAY_POLICYSERVER == (int)SCENARIO_POLICYSERVER &&
                  PLAY_FILESERVER == (int)SCENARIO_FILESERVER &&
                  PLAY_STACKED == (int)SCENARIO_STACKED,
              "one number for each server");

/* A server may have ended by itself since it was looked at last. */
static void look_at_server(struct simulated *simulation, uint32_t which)
{
    struct simulated_server *server = &simulation->servers[which];

    if (!server->wanted || play_server_runs(&simulation->play, (enum play_server)which))
        return;
    server->wanted = false;
    server->unasked = true;
}

static void restart(struct simulated *simulation, uint64_t index)
{
    const struct scenario_event *event = &simulation->scenario->events[index];
    struct simulated_server *server = &simulation->servers[event->target];
    int result = play_server_start(&simulation->play, (enum play_server)event->target);

    server->wanted = server->wanted || result == 0;
    if (result == -EEXIST)
        event_fails(simulation, index, "it runs still");
    else if (result != 0) {
        event_fails(simulation, index, "physmem does not run");
        server->unasked = true;
    }
}

static void signal_server(struct simulated *simulation, uint64_t index, int signal)
{
    const struct scenario_event *event = &simulation->scenario->events[index];

    if (event->action != SCENARIO_SIGNAL_SERVER)
        simulation->servers[event->target].wanted = false;
    if (play_server_signal(&simulation->play, (enum play_server)event->target, signal) != 0)
        event_fails(simulation, index, "it does not run");
}

/* What befalls a server. */
static void server_event(struct simulated *simulation, uint64_t index)
{
    const struct scenario_event *event = &simulation->scenario->events[index];
    int signal = event->action == SCENARIO_STOP   ? SIGTERM
                 : event->action == SCENARIO_KILL ? SIGKILL
                                                  : event->signal_number;

    simulation->state[index] = EVENT_DONE;
    look_at_server(simulation, event->target);
    if (event->action == SCENARIO_RESTART)
        restart(simulation, index);
    else
        signal_server(simulation, index, signal);
}

static void time_is_up(struct simulated *simulation)
{
    size_t length = 0;

    simulation->timed_out = true;
    for (uint32_t i = 0; i < simulation->scenario->tasks_count; i++) {
        const struct actor *actor = &simulation->play.actor[i];

        if (actor->exit_status < 0 && length < sizeof simulation->late)
            length += (size_t)snprintf(simulation->late + length, sizeof simulation->late - length,
                                       "%s%s (%s)", length > 0 ? ", " : "", actor->config->name,
                                       thread_about(actor));
        (void)play_signal(&simulation->play, i, SIGTERM);
    }
}

static void other(struct simulated *simulation, uint64_t value)
{
    if (value == OTHER_TIMEOUT)
        time_is_up(simulation);
    else if (simulation->scenario->events[value].action == SCENARIO_RECALL)
        recall(simulation, value);
    else if (simulation->scenario->events[value].action == SCENARIO_SIGNAL)
        send_signal(simulation, value);
    else
        server_event(simulation, value);
}

/* ---- Counters ---- */

#define COPY_COUNTER(type, name, unit, meaning) to->name = from->name;
#define COPY_STATE(name, list, unit, meaning)   to->name = from->name;

static void note_task(struct task_outcome *task, const struct actor *actor)
{
    const struct physmem_task_status *from = &actor->seen;
    struct observed_task *to = &task->seen;

    task->state = actor->life == 0 ? OUTCOME_NEVER : OUTCOME_ENDED;
    task->exit_status = actor->exit_status;
    task->microseconds = actor->exit_status >= 0 ? (actor->ended - actor->began) / 1000 : 0;
    task->stats = life_stats(actor);
    if (actor->life > 0)
        outcome_note_policy(task, task->asked_policy);
    snprintf(to->name, sizeof to->name, "%s", actor->config->name);
    SP_TASK_STATUS(COPY_COUNTER, COPY_STATE)
}

static struct physmem_status physmem_status_of(const struct play *play)
{
    struct physmem_status status = play->scene.physmem->seen;

    if (play_server_runs(play, PLAY_PHYSMEM))
        physmem_get_status(play->scene.physmem->core, &status);
    return status;
}

static void note_files(struct observed_files *to, const struct play *play)
{
    const struct scene_files *files = &play->scene.files;

    {
        const __typeof__(files->counted) *from = &files->counted;

        SP_FILESERVER_STATUS(COPY_COUNTER, COPY_STATE)
    }
    if (files->task != NULL)
        to->cached = chunks_pages(&files->chunks);
}

static void note_servers(struct outcome *outcome, const struct play *play)
{
    struct physmem_status status = physmem_status_of(play);

    {
        const struct physmem_status *from = &status;
        struct observed_physmem *to = &outcome->physmem;

        SP_PHYSMEM_STATUS(COPY_COUNTER, COPY_STATE)
    }
    note_files(&outcome->files, play);
    if (!play->scene.has_swap)
        return;
    {
        const struct device_status counted = play_server_runs(play, PLAY_SWAP)
                                                 ? device_status(&play->scene.device)
                                                 : play->scene.swap_seen;
        const struct device_status *from = &counted;
        struct observed_swap *to = &outcome->swap;

        SP_SWAP_STATUS(COPY_COUNTER, COPY_STATE)
    }
}

/* As it is now. */
static void note_actor(struct simulated *simulation, uint32_t index)
{
    const struct actor *actor = &simulation->play.actor[index];
    struct task_outcome *task = &simulation->outcome->tasks[index];

    play_look(&simulation->play, index);
    note_task(task, actor);
    task->state = actor_is_there(actor) ? OUTCOME_RUNNING : OUTCOME_ENDED;
}

/* Write a row of the series if it is time for one. */
static void note_series(struct simulated *simulation)
{
    struct series *series = simulation->options->series;
    struct outcome *outcome = simulation->outcome;

    if (series == NULL || simulation->play.scene.now < series->next_ns)
        return;
    for (uint32_t i = 0; i < simulation->scenario->tasks_count; i++)
        note_actor(simulation, i);
    series_write(series, simulation->play.scene.now, outcome);
}

/* ---- For Perfetto ---- */

/* The actor that the last event was about: it may have come, have ended, or have answered a recall. */
static void trace_actor(struct simulated *simulation, uint32_t index)
{
    struct timeline *timeline = simulation->options->timeline;
    const struct actor *actor = &simulation->play.actor[index];
    const struct timeline_task *line = &timeline->tasks[index];
    uint64_t now = simulation->play.scene.now;

    if (!line->runs && actor_is_there(actor))
        timeline_task_starts(timeline, now, simulation->outcome, index, FIRST_PID + (int)index);
    if (!line->runs)
        return;
    if (!actor_is_there(actor)) {
        note_actor(simulation, index);
        timeline_task_ends(timeline, now, simulation->outcome, index);
    } else if (actor->stats.recalls_answered > line->answers) {
        note_actor(simulation, index);
        timeline_recalls(timeline, now, simulation->outcome, index);
    }
}

/* Called after each event. Writes which tasks have started and ended, and which recalls were sent and met, at their
 * own times; and the counters, once a step. */
static void trace(struct simulated *simulation)
{
    const struct simulation_options *options = simulation->options;
    struct play *play = &simulation->play;
    uint64_t now = play->scene.now;
    struct physmem_status status;

    if (options->timeline == NULL)
        return;
    status = physmem_status_of(play);
    if (play->last.kind < SCENE_OTHER && play->last.to < play->actors)
        trace_actor(simulation, play->last.to);
    for (uint32_t i = 0; status.recalls != simulation->recalls_drawn && i < play->actors; i++) {
        note_actor(simulation, i);
        timeline_recalls(options->timeline, now, simulation->outcome, i);
    }
    simulation->recalls_drawn = status.recalls;
    if (now < simulation->timeline_due)
        return;
    for (uint32_t i = 0; i < play->actors; i++)
        if (options->timeline->tasks[i].runs)
            note_actor(simulation, i);
    note_servers(simulation->outcome, play);
    timeline_look(options->timeline, now, simulation->outcome);
    simulation->timeline_due = now - now % options->timeline_step_ns + options->timeline_step_ns;
}

/* ---- The play ---- */

static int set_the_stage(struct simulated *simulation)
{
    const struct scenario *scenario = simulation->scenario;
    struct play_config config =
        cast_play(simulation->cast, simulation->options->seed, &simulation->options->costs);
    int result;

    config.check_every = simulation->options->check_every;
    config.shuffled = simulation->options->shuffled;
    config.kernel_bits = simulation->options->kernel_bits;
    if (scenario->faults != NULL) {
        config.storm_until = scenario->faults->until_ns;
        config.storm_every = scenario->faults->every_ns;
        config.strict = true;
    }
    result = play_init(&simulation->play, &config);
    if (result != 0)
        return result;
    for (uint32_t i = 0; i < scenario->physmems_count; i++)
        simulation->servers[SCENARIO_STACKED + i].wanted = true;
    simulation->servers[SCENARIO_PHYSMEM].wanted = true;
    simulation->servers[SCENARIO_SWAP].wanted = scenario->swap != NULL;
    simulation->servers[SCENARIO_POLICYSERVER].wanted = scenario->policyserver != NULL;
    simulation->servers[SCENARIO_FILESERVER].wanted = scenario->fileserver != NULL;
    for (uint32_t i = 0; i < scenario->tasks_count; i++)
        play_add(&simulation->play, &simulation->cast->actors[i], scenario->tasks[i].start_ns,
                 scenario->tasks[i].stop_ns);
    if (scenario->faults != NULL)
        play_storm(&simulation->play, faults_kinds(scenario, simulation->options->seed));
    for (uint32_t i = 0; i < scenario->events_count; i++)
        play_at(&simulation->play, scenario->events[i].at_ns, i);
    play_at(&simulation->play, scenario->timeout_ns, OTHER_TIMEOUT);
    return 0;
}

static void note_progress(const struct simulated *simulation)
{
    struct play_progress *progress = simulation->options->progress;

    if (progress == NULL)
        return;
    atomic_store_explicit(&progress->events, simulation->play.events, memory_order_relaxed);
    atomic_store_explicit(&progress->now_ns, simulation->play.scene.now, memory_order_relaxed);
}

/* Play to the end. */
static enum play_step run(struct simulated *simulation)
{
    const struct simulation_options *options = simulation->options;
    enum play_step step;
    uint64_t value = 0;

    do {
        if (options->calms && !simulation->play.calm &&
            simulation->play.events >= options->calm_after)
            play_calm(&simulation->play, options->calm_seed);
        step = play_next(&simulation->play, &value);
        if (step == PLAY_OTHER)
            other(simulation, value);
        note_series(simulation);
        trace(simulation);
        note_progress(simulation);
        if (options->watch != NULL && !options->watch(options->arg, &simulation->play))
            return PLAY_FAILED;
        if (options->until_event > 0 && simulation->play.events >= options->until_event)
            return step;
    } while ((step == PLAY_EVENT || step == PLAY_OTHER) && !simulation->timed_out);
    return step;
}

/* ---- What became of it ---- */

static int judge_time(struct simulated *simulation)
{
    const char *timeout = simulation->scenario->timeout;
    char text[80], why[240];

    snprintf(text, sizeof text, "all tasks end within %s", timeout != NULL ? timeout : "5m");
    snprintf(why, sizeof why, "still running then: %s", simulation->late);
    return outcome_expect(simulation->outcome, text, !simulation->timed_out,
                          simulation->timed_out ? why : NULL);
}

static int judge_events(struct simulated *simulation)
{
    const uint32_t count = simulation->scenario->events_count;
    bool all = true;
    int result = 0;

    for (uint32_t i = 0; i < count && result == 0; i++) {
        char what[120];

        if (simulation->state[i] == EVENT_AHEAD)
            event_fails(simulation, i, "never happened: the play was over before");
        scenario_describe_event(&simulation->scenario->events[i], what, sizeof what);
        result = outcome_event(simulation->outcome, what, simulation->why[i]);
        all = all && simulation->why[i] == NULL;
    }
    if (count > 0 && result == 0)
        result = outcome_expect(simulation->outcome, "every event happens", all, NULL);
    return result;
}

static int judge_rules(struct simulated *simulation)
{
    const struct play *play = &simulation->play;
    bool good = play->scene.wrong[0] == '\0';
    char why[SCENE_TEXT + 80];

    snprintf(why, sizeof why, "event %llu, at %.9f s: %s", (unsigned long long)play->events,
             (double)play->scene.now / 1e9, play->scene.wrong);
    return outcome_expect(simulation->outcome, "no rule of the system is broken", good,
                          good ? NULL : why);
}

static int judge_server(struct simulated *simulation, uint32_t which)
{
    const struct simulated_server *server = &simulation->servers[which];
    bool hangs, passed;
    char text[80];

    look_at_server(simulation, which);
    hangs = server->hung || play_server_hangs(&simulation->play, (enum play_server)which);
    passed = !hangs && !server->unasked;
    snprintf(text, sizeof text, "%s lasts to the end and ends well",
             scenario_server_name(simulation->scenario, which));
    return outcome_expect(simulation->outcome, text, passed,
                          passed  ? NULL
                          : hangs ? "it hung: it did not answer or end, and was killed"
                                  : "it ended unasked, or could not be restarted");
}

static int judge_servers(struct simulated *simulation)
{
    const struct scenario *scenario = simulation->scenario;
    int result = judge_server(simulation, SCENARIO_PHYSMEM);

    if (result == 0 && scenario->swap != NULL)
        result = judge_server(simulation, SCENARIO_SWAP);
    if (result == 0 && scenario->policyserver != NULL)
        result = judge_server(simulation, SCENARIO_POLICYSERVER);
    if (result == 0 && scenario->fileserver != NULL)
        result = judge_server(simulation, SCENARIO_FILESERVER);
    for (uint32_t i = 0; i < scenario->physmems_count && result == 0; i++)
        result = judge_server(simulation, SCENARIO_STACKED + i);
    return result;
}

/* The file server ends with the play. */
static void see_files_end(struct simulated *simulation)
{
    struct simulated_server *server = &simulation->servers[SCENARIO_FILESERVER];

    look_at_server(simulation, SCENARIO_FILESERVER);
    server->hung = play_server_hangs(&simulation->play, PLAY_FILESERVER);
    server->wanted = false;
}

static int judge(struct simulated *simulation)
{
    struct outcome *outcome = simulation->outcome;
    struct play *play = &simulation->play;
    int result;

    see_files_end(simulation);
    if (play->scene.wrong[0] == '\0')
        play_settle(play);
    for (uint32_t i = 0; i < simulation->scenario->tasks_count; i++)
        note_task(&outcome->tasks[i], &play->actor[i]);
    note_servers(outcome, play);
    outcome->simulated = true;
    outcome->varied = simulation->options->varied;
    outcome->seed = simulation->options->seed;
    outcome->hash = play->hash;
    outcome->events_played = play->events;
    outcome->virtual_ns = play->scene.now;
    result = judge_rules(simulation);
    if (result == 0)
        result = judge_tasks(outcome);
    if (result == 0)
        result = judge_time(simulation);
    if (result == 0)
        result = judge_policies(outcome);
    /* Under faults, who knows: the rules, and that all finish, remain. */
    if (result == 0 && simulation->scenario->faults == NULL)
        result = judge_events(simulation);
    if (result == 0 && simulation->scenario->faults == NULL)
        result = judge_expressions(outcome);
    if (result == 0 && simulation->scenario->faults == NULL)
        result = judge_servers(simulation);
    return result;
}

int simulation_run(struct cast *cast, const struct simulation_options *options,
                   struct outcome *outcome, struct sp_error *error)
{
    const struct scenario *scenario = cast->scenario;
    struct simulated simulation = {
        .cast = cast, .scenario = scenario, .options = options, .outcome = outcome};
    int result = outcome_init(outcome, scenario);

    simulation.state = calloc(scenario->events_count + 1, sizeof *simulation.state);
    simulation.why = calloc(scenario->events_count + 1, sizeof *simulation.why);
    if (result == 0 && (simulation.state == NULL || simulation.why == NULL))
        result = -ENOMEM;
    if (result == 0)
        result = set_the_stage(&simulation);
    if (result == 0 && run(&simulation) == PLAY_FAILED)
        result = simulation.play.scene.failed ? -ENOMEM : -ECANCELED;
    if (result == 0)
        result = judge(&simulation);
    if (result == -ECONNREFUSED)
        result = error_set(error, ECANCELED, "%s", simulation.play.scene.wrong);
    play_fini(&simulation.play);
    free(simulation.state);
    free(simulation.why);
    return result == 0 || result == -ECANCELED
               ? result
               : error_set(error, -result, "the play cannot go on: %s", strerror(-result));
}

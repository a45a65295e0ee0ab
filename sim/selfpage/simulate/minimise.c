#include "selfpage/simulate/minimise.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/random.h"
#include "os/clock.h"
#include "play/storm.h"
#include "selfpage/scenario/save.h"
#include "selfpage/simulate/attempt.h"
#include "selfpage/simulate/faults.h"
#include "workload/workload_text.h"

/* How long all of it takes, and how long plays of a few tasks that were drawn are tried. */
#define LONGEST_NS UINT64_C(50000000000)
#define DRAWING_NS UINT64_C(35000000000)

/* Seeds that are tried besides that of the play. */
#define OTHER_SEEDS 30u

/* So many tasks are few enough. */
#define FEW 3u

/* Tasks that are left out one after the other, each with other seeds, too; of more than these only with that of the play. */
#define MANY 24u

/* Whether an element of a list is left out. */
enum { KEPT, LEFT_OUT, TRIED };

struct minimising {
    const struct scenario *from;
    const char *policy;
    struct simulation_options play; /* with the seed of the last play that failed */
    struct scenario scenario;       /* what is tried: lists of its own, elements of `from` */
    struct scenario_faults faults;
    char *kind_names[STORM_COUNT];
    char until[32];
    uint8_t *without_task, *without_event;
    uint64_t *references; /* of each task: the most of a phase; 0: as it was */
    uint32_t kinds;
    uint32_t frames; /* of physmem */
    uint64_t until_ns;
    char **
        expect; /* the expectation of `from` that does not hold; NULL: it is something else that fails */
    bool broken; /* what fails is a rule, or the process */
    uint64_t began_ns;
    unsigned plays;
};

/* ---- What is tried ---- */

/* A task whose parent is left out has its contract by itself. */
static void take_part(const struct minimising *m, struct scenario_task *task)
{
    for (uint32_t i = 0; task->part_of != NULL && i < m->from->tasks_count; i++)
        if (m->without_task[i] && strcmp(m->from->tasks[i].name, task->part_of) == 0)
            task->part_of = NULL;
}

/* A workload whose phases have at most `references` references, for free(). */
static char *shortened(const char *load, uint64_t references)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL)
        return NULL;
    while (*load != '\0') {
        size_t length = strcspn(load, ",;");

        if (strncmp(load, "references=", 11) != 0)
            fwrite(load, 1, length + (load[length] == ','), out);
        load += length;
        if (*load == ';' && strncmp(load + 1, "idle", 4) != 0)
            fprintf(out, ";references=%llu,", (unsigned long long)references);
        else if (*load == ';')
            fputc(';', out);
        load += *load != '\0';
    }
    if (fclose(out) != 0)
        return NULL;
    return text;
}

static void free_tried(struct minimising *m)
{
    for (uint32_t i = 0; i < m->scenario.tasks_count; i++)
        free(m->scenario.tasks[i].load);
    free(m->scenario.tasks);
    free(m->scenario.events);
    m->scenario.tasks = NULL;
    m->scenario.events = NULL;
    m->scenario.tasks_count = m->scenario.events_count = 0;
}

static int take_tasks(struct minimising *m)
{
    for (uint32_t i = 0; i < m->from->tasks_count; i++) {
        struct scenario_task *task = &m->scenario.tasks[m->scenario.tasks_count];

        if (m->without_task[i])
            continue;
        *task = m->from->tasks[i];
        take_part(m, task);
        task->load =
            m->references[i] > 0 ? shortened(task->load, m->references[i]) : strdup(task->load);
        if (task->load == NULL)
            return -ENOMEM;
        m->scenario.tasks_count++;
    }
    return 0;
}

static void take_events(struct minimising *m)
{
    for (uint32_t i = 0; i < m->from->events_count; i++) {
        struct scenario_event *event = &m->scenario.events[m->scenario.events_count];

        *event = m->from->events[i];
        if (event->task == NULL && !m->without_event[i]) {
            m->scenario.events_count++;
            continue;
        }
        for (uint32_t t = 0; t < m->scenario.tasks_count && !m->without_event[i]; t++)
            if (strcmp(m->scenario.tasks[t].name, event->task) == 0) {
                event->target = t;
                m->scenario.events_count++;
                break;
            }
    }
}

/* Whether an expectation is about a task: "NAME." in it, and not as the end of a longer name. */
static bool names(const char *expectation, const char *task)
{
    size_t length = strlen(task);

    for (const char *at = expectation; (at = strstr(at, task)) != NULL; at++)
        if (at[length] == '.' &&
            (at == expectation || (at[-1] != '_' && isalnum((unsigned char)at[-1]) == 0)))
            return true;
    return false;
}

/* What is not looked for must not fail in its place, and what is about a task that is left out cannot be looked at. */
static void take_expectation(struct minimising *m)
{
    m->scenario.expect = m->expect;
    m->scenario.expect_count = m->expect != NULL;
    for (uint32_t i = 0; m->expect != NULL && i < m->from->tasks_count; i++)
        if (m->without_task[i] && names(*m->expect, m->from->tasks[i].name))
            m->scenario.expect_count = 0;
}

static int make_tried(struct minimising *m)
{
    m->scenario = *m->from;
    m->scenario.tasks_count = m->scenario.events_count = 0;
    m->scenario.tasks = calloc(m->from->tasks_count, sizeof *m->scenario.tasks);
    m->scenario.events = calloc(m->from->events_count + 1, sizeof *m->scenario.events);
    m->scenario.physmem.seed = m->play.seed;
    m->scenario.physmem.frames = m->frames;
    if (m->scenario.tasks == NULL || m->scenario.events == NULL)
        return -ENOMEM;
    if (m->from->faults != NULL) {
        snprintf(m->until, sizeof m->until, "%lluns", (unsigned long long)m->until_ns);
        m->faults = (struct scenario_faults){
            .until = m->until, .until_ns = m->until_ns, .kinds = m->kind_names};
        m->faults.kinds_count = faults_names(m->kinds, m->kind_names);
        m->scenario.faults = m->kinds != 0 ? &m->faults : NULL;
    }
    if (take_tasks(m) != 0)
        return -ENOMEM;
    take_events(m);
    take_expectation(m);
    return 0;
}

/* ---- Does it fail? ---- */

static bool is_over(const struct minimising *m, uint64_t longest_ns)
{
    return clock_now_ns() - m->began_ns >= longest_ns;
}

/* 1: it fails, in the same way; 0: it does not, or there is no time for it; or a negative errno. */
static int fails(struct minimising *m)
{
    struct attempt seen;
    int result = make_tried(m);

    if (result == 0 && m->scenario.tasks_count > 0 && !is_over(m, LONGEST_NS)) {
        m->plays++;
        result = attempt_fails(&m->scenario, m->policy, &m->play, &seen);
        if (result == 1 && m->broken && !seen.broken)
            result = 0;
    }
    free_tried(m);
    return result;
}

/* ---- Steps ---- */

/* The same, and if it does not fail, with other seeds: what is left may have to meet in another way. */
static int fails_somehow(struct minimising *m)
{
    uint64_t seed = m->play.seed;
    int result = fails(m);

    for (uint64_t other = 1; result == 0 && other <= OTHER_SEEDS; other++) {
        m->play.seed = other;
        result = fails(m);
    }
    if (result != 1)
        m->play.seed = seed;
    return result;
}

/* Elements of a list that are not left out. */
static uint32_t count_left(const uint8_t *without, uint32_t count)
{
    uint32_t left = 0;

    for (uint32_t i = 0; i < count; i++)
        left += without[i] == KEPT;
    return left;
}

/* Leave out those of `length` neighbours that are there, if they are not needed. */
static int leave_out_run(struct minimising *m, uint8_t *without, uint32_t first, uint32_t length,
                         int (*attempt)(struct minimising *m))
{
    uint32_t tried = 0;
    int result = 0;

    for (uint32_t i = first; i < first + length; i++)
        if (without[i] == KEPT) {
            without[i] = TRIED;
            tried++;
        }
    if (tried > 0)
        result = attempt(m);
    for (uint32_t i = first; i < first + length; i++)
        if (without[i] == TRIED)
            without[i] = result == 1 ? LEFT_OUT : KEPT;
    return result < 0 ? result : 0;
}

/* Leave out what is not needed: halves, quarters, and so on; then each element, by other seeds, too. */
static int leave_out(struct minimising *m, uint8_t *without, uint32_t count)
{
    int result = 0;

    for (uint32_t length = count / 2; length > 0 && result == 0; length /= 2)
        for (uint32_t i = 0; i < count && result == 0; i += length)
            result = leave_out_run(m, without, i, length < count - i ? length : count - i, fails);
    for (uint32_t i = 0; i < count && result == 0 && count_left(without, count) <= MANY; i++)
        result = leave_out_run(m, without, i, 1, fails_somehow);
    return result;
}

/* Keep some tasks only, which are drawn. */
static void draw_tasks(struct minimising *m, struct random_source *random)
{
    uint32_t left = count_left(m->without_task, m->from->tasks_count);

    while (left > FEW) {
        uint32_t i = random_below(random, m->from->tasks_count);

        left -= m->without_task[i] == KEPT;
        if (m->without_task[i] == KEPT)
            m->without_task[i] = TRIED;
    }
}

/* Where a failure takes more tasks than a few, each of them perhaps only makes it likelier: a few of them, drawn again and
 * again with other seeds, half of the time with fewer frames, since fewer compete for them. */
static int draw_few(struct minimising *m)
{
    uint32_t count = m->from->tasks_count, all = count_left(m->without_task, count);
    struct random_source random = random_seeded(m->play.seed);
    uint64_t seed = m->play.seed;
    uint32_t frames = m->frames;
    int result = 0;

    while (all > FEW && result == 0 && !is_over(m, DRAWING_NS)) {
        draw_tasks(m, &random);
        m->play.seed = 1 + random_below(&random, UINT32_MAX - 1);
        m->frames = frames;
        if (random_below(&random, 2) == 0)
            m->frames = (uint32_t)((uint64_t)frames * FEW / all);
        result = fails(m);
        for (uint32_t i = 0; i < count; i++)
            if (m->without_task[i] == TRIED)
                m->without_task[i] = result == 1 ? LEFT_OUT : KEPT;
    }
    if (result != 1) {
        m->play.seed = seed;
        m->frames = frames;
    }
    return result < 0 ? result : 0;
}

static int leave_out_kinds(struct minimising *m)
{
    for (uint32_t kind = 0; kind < STORM_COUNT; kind++) {
        uint32_t before = m->kinds;
        int result;

        m->kinds &= ~(UINT32_C(1) << kind);
        result = m->kinds == before ? 1 : fails(m);
        if (result < 0)
            return result;
        if (result == 0)
            m->kinds = before;
    }
    return 0;
}

static int shorten_storm(struct minimising *m)
{
    while (m->until_ns > 1000000) {
        int result;

        m->until_ns /= 2;
        result = fails(m);
        if (result <= 0) {
            m->until_ns *= 2;
            return result;
        }
    }
    return 0;
}

static int shorten_workload(struct minimising *m, uint32_t task)
{
    struct workload workload;
    uint64_t most = 0;

    if (workload_text_parse(&workload, m->from->tasks[task].load, NULL) != 0)
        return -EINVAL;
    for (uint32_t i = 0; i < workload.phases; i++)
        if (workload.phase[i].references > most)
            most = workload.phase[i].references;
    for (uint64_t references = most / 2; references > 0; references /= 2) {
        uint64_t before = m->references[task];
        int result;

        m->references[task] = references;
        result = fails(m);
        if (result < 0)
            return result;
        if (result == 0) {
            m->references[task] = before;
            break;
        }
    }
    return 0;
}

static int reduce(struct minimising *m)
{
    int result = leave_out(m, m->without_task, m->from->tasks_count);

    if (result == 0)
        result = draw_few(m);
    if (result == 0)
        result = leave_out(m, m->without_task, m->from->tasks_count);
    if (result == 0)
        result = leave_out(m, m->without_event, m->from->events_count);
    if (result == 0 && m->from->faults != NULL)
        result = leave_out_kinds(m);
    if (result == 0 && m->from->faults != NULL)
        result = shorten_storm(m);
    for (uint32_t i = 0; i < m->from->tasks_count && result == 0; i++)
        if (m->without_task[i] == KEPT)
            result = shorten_workload(m, i);
    return result;
}

static int save(struct minimising *m, const char *path, struct sp_error *error)
{
    char why[200];
    int result = make_tried(m);

    snprintf(why, sizeof why,
             "Fails: selfpage simulate %.80s\nMade smaller by %u plays of a scenario of %u tasks.",
             path, m->plays, m->from->tasks_count);
    if (result == 0)
        result = save_scenario(&m->scenario, path, why, error);
    else
        error_set(error, ENOMEM, "out of memory");
    if (result == 0)
        fprintf(stderr, "selfpage: %u tasks and %u events are left, after %u plays: %s\n",
                m->scenario.tasks_count, m->scenario.events_count, m->plays, path);
    free_tried(m);
    return result;
}

/* Find what fails. */
static int find_expectation(struct minimising *m)
{
    struct attempt seen;
    int result = attempt_fails(m->from, m->policy, &m->play, &seen);

    m->broken = result == 1 && seen.broken;

    for (uint32_t i = 0; result == 1 && i < m->from->expect_count; i++) {
        size_t length = strlen(m->from->expect[i]);

        if (strncmp(seen.why, m->from->expect[i], length) == 0 && seen.why[length] == ':')
            m->expect = &m->from->expect[i];
    }
    return result < 0 ? result : 0;
}

int minimise_scenario(const struct scenario *scenario, const char *policy,
                      const struct simulation_options *play, const char *path,
                      struct sp_error *error)
{
    struct minimising m = {.from = scenario,
                           .policy = policy,
                           .play = *play,
                           .frames = scenario->physmem.frames,
                           .began_ns = clock_now_ns()};
    int result = -ENOMEM;

    m.kinds = faults_kinds(scenario, play->seed);
    m.until_ns = scenario->faults != NULL ? scenario->faults->until_ns : 0;
    m.without_task = calloc(scenario->tasks_count, sizeof *m.without_task);
    m.without_event = calloc(scenario->events_count + 1, sizeof *m.without_event);
    m.references = calloc(scenario->tasks_count, sizeof *m.references);
    if (m.without_task != NULL && m.without_event != NULL && m.references != NULL)
        result = find_expectation(&m);
    if (result == 0)
        result = reduce(&m);
    if (result == 0)
        result = save(&m, path, error);
    else
        error_set(error, -result, "cannot be made smaller: %s", strerror(-result));
    free(m.without_task);
    free(m.without_event);
    free(m.references);
    return result;
}

#include "selfpage/bench/demand.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define SECOND     1000000000.0
#define STEPS_MAX  (1u << 20)
#define FRAMES_MAX (1u << 24)
#define TASKS_MAX  100000u

static int by_task_and_time(const void *a, const void *b)
{
    const struct demand_step *x = a, *y = b;

    if (x->task != y->task)
        return x->task < y->task ? -1 : 1;
    return x->ns < y->ns ? -1 : x->ns > y->ns;
}

static int step_add(struct demand *demand, struct demand_step step)
{
    /* Rooms of 1, 2, 4, 8 ... steps. */
    if ((demand->steps & (demand->steps - 1)) == 0) {
        size_t room = demand->steps > 0 ? 2 * (size_t)demand->steps : 1;
        struct demand_step *grown = reallocarray(demand->step, room, sizeof(*grown));

        if (grown == NULL)
            return -ENOMEM;
        demand->step = grown;
    }
    demand->step[demand->steps++] = step;
    if (step.task >= demand->file_tasks)
        demand->file_tasks = step.task + 1;
    return 0;
}

/* One line; blank lines and comments say nothing. */
static int line_read(struct demand *demand, const char *path, unsigned number, char *line,
                     struct sp_error *error)
{
    double seconds;
    unsigned task, frames;
    char rest;
    int fields;

    line[strcspn(line, "#\r\n")] = '\0';
    for (char *c = line; *c != '\0'; c++)
        *c = *c == ',' || *c == '\t' ? ' ' : *c;
    if (line[strspn(line, " ")] == '\0')
        return 0;
    fields = sscanf(line, "%lf %u %u %c", &seconds, &task, &frames, &rest);
    if (fields != 3 || !(seconds >= 0 && seconds < 1e9) || task >= TASKS_MAX || frames > FRAMES_MAX)
        return error_set(error, EINVAL,
                         "%.200s:%u: not SECONDS TASK FRAMES, with a task below %u and at most %u "
                         "frames",
                         path, number, TASKS_MAX, FRAMES_MAX);
    if (demand->steps == STEPS_MAX)
        return error_set(error, EFBIG, "%.200s:%u: more than %u lines", path, number, STEPS_MAX);
    if (step_add(demand, (struct demand_step){(uint64_t)(seconds * SECOND), task, frames}) != 0)
        return error_set(error, ENOMEM, "out of memory");
    return 0;
}

static int file_read(struct demand *demand, const char *path, struct sp_error *error)
{
    FILE *file = fopen(path, "re");
    unsigned number = 0;
    char line[256];
    int rc = 0;

    if (file == NULL)
        return error_set(error, errno,
                         "--demand: \"%.100s\" is neither constant, bursts nor phases, nor a file "
                         "that can be read: %s",
                         path, strerror(errno));
    while (rc == 0 && fgets(line, sizeof(line), file) != NULL)
        rc = line_read(demand, path, ++number, line, error);
    if (rc == 0 && ferror(file))
        rc = error_set(error, EIO, "%.200s: cannot be read", path);
    fclose(file);
    if (rc == 0 && demand->steps == 0)
        rc = error_set(error, EINVAL, "%.200s: there is no line SECONDS TASK FRAMES", path);
    if (rc == 0)
        qsort(demand->step, demand->steps, sizeof(*demand->step), by_task_and_time);
    return rc;
}

int demand_parse(struct demand *demand, const char *text, struct sp_error *error)
{
    static const char *const names[] = {
#define DEMAND_NAME(NAME, name, meaning) #name,
        DEMAND_KINDS(DEMAND_NAME)
#undef DEMAND_NAME
    };

    demand_fini(demand);
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) == 0) {
            demand->kind = (enum demand_kind)(i + 1);
            return 0;
        }
    }
    demand->kind = DEMAND_FILE;
    return file_read(demand, text, error);
}

const char *demand_name(const struct demand *demand)
{
    switch (demand->kind) {
    case DEMAND_NONE:
        return "none";
    case DEMAND_FILE:
        return "file";
#define DEMAND_CASE(NAME, name, meaning)                                                           \
    case DEMAND_##NAME:                                                                            \
        return #name;
        DEMAND_KINDS(DEMAND_CASE)
#undef DEMAND_CASE
    }
    return "none";
}

void demand_fini(struct demand *demand)
{
    free(demand->step);
    *demand = (struct demand){.mean = demand->mean, .seed = demand->seed};
}

/* ---- Courses ---- */

static void course_begin(const struct demand *demand, struct demand_course *course, uint32_t task)
{
    uint32_t of_file = demand->file_tasks > 0 ? task % demand->file_tasks : 0;

    *course = (struct demand_course){.begun = true};
    course->random = random_seeded(demand->seed + UINT64_C(0x9e3779b97f4a7c15) * (task + 1));
    while (course->next < demand->steps && demand->step[course->next].task < of_file)
        course->next++;
    course->last = course->next;
    while (course->last < demand->steps && demand->step[course->last].task == of_file)
        course->last++;
}

/* Frames at `share` of the mean, for a random time around `seconds`. */
static void course_go_on(const struct demand *demand, struct demand_course *course, double share,
                         double seconds)
{
    course->frames = (uint32_t)(share * demand->mean + 0.5);
    course->until += (uint64_t)((0.5 + random_unit(&course->random)) * seconds * SECOND);
}

static void course_step(const struct demand *demand, struct demand_course *course)
{
    switch (demand->kind) {
    case DEMAND_CONSTANT:
        course_go_on(demand, course, 0.5 + random_unit(&course->random), 1e6);
        break;
    case DEMAND_BURSTS: /* three of four times low: the mean is about the mean */
        course_go_on(demand, course, random_below(&course->random, 4) == 0 ? 3 : 0.25, 0.5);
        break;
    case DEMAND_PHASES:
        course_go_on(demand, course, 2 * random_unit(&course->random), 1);
        break;
    case DEMAND_FILE:
        if (course->next < course->last)
            course->frames = demand->step[course->next++].frames;
        course->until = course->next < course->last ? demand->step[course->next].ns : UINT64_MAX;
        break;
    case DEMAND_NONE:
        course->until = UINT64_MAX;
        break;
    }
}

uint32_t demand_at(const struct demand *demand, struct demand_course *course, uint32_t task,
                   uint64_t ns)
{
    if (!course->begun) {
        course_begin(demand, course, task);
        if (demand->kind == DEMAND_FILE) /* nothing before its first line */
            course->until =
                course->next < course->last ? demand->step[course->next].ns : UINT64_MAX;
    }
    while (course->until != UINT64_MAX && ns >= course->until)
        course_step(demand, course);
    return course->frames;
}

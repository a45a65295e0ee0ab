#include "arbiter/target.h"

/* What the tasks have that are known; *sump is the sum. */
static double known_tasks(const struct sp_arbiter_task *tasks, size_t count, double *sump)
{
    double known = 0;

    *sump = 0;
    for (size_t i = 0; i < count; i++) {
        const struct target_task *own = tasks[i].own;

        known += own->known;
        *sump += own->target.frames;
    }
    return known;
}

void target_include(uint32_t frames, const struct sp_arbiter_task *tasks, size_t count)
{
    double sum, known = known_tasks(tasks, count, &sum);
    double mean = sum > 0 ? sum / known : frames;

    sum = 0;
    for (size_t i = 0; i < count; i++) {
        struct target_task *own = tasks[i].own;

        if (!own->known) {
            own->target.frames = mean;
            own->hits = tasks[i].ghost_hits;
            own->known = true;
        }
        sum += own->target.frames;
    }
    for (size_t i = 0; i < count && sum > 0; i++) {
        struct target_task *own = tasks[i].own;

        own->target.frames *= frames / sum;
    }
}

uint64_t target_hits(const struct sp_arbiter_task *task)
{
    struct target_task *own = task->own;
    uint64_t hits = task->ghost_hits - own->hits;

    own->hits = task->ghost_hits;
    return hits;
}

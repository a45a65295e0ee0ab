#include "selfpage/replay/progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* Seconds between two looks of the line. */
#define INTERVAL 0.25

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

void progress_begin(struct replay_progress *progress, bool quiet, const char *what)
{
    *progress = (struct replay_progress){
        .shown = !quiet && isatty(STDERR_FILENO), .what = what, .began = now()};
    progress->last = progress->began;
}

int progress_step(void *context, const struct pass *pass)
{
    struct replay_progress *progress = context;
    const struct source *source = &pass->trace->source;
    double time, elapsed;

    if (!progress->shown)
        return 0;
    time = now();
    if (time - progress->last < INTERVAL)
        return 0;
    progress->last = time;
    progress->line = true;
    elapsed = time - progress->began;
    fprintf(stderr, "\r%s: %.1f million references, %u pages", progress->what,
            (double)pass->references / 1e6, pass->table->count);
    if (source->size > 0 && source->taken > 0) {
        double part = (double)source->taken / (double)source->size;

        part = part > 1 ? 1 : part; /* the file may be growing */
        fprintf(stderr, ", %.0f %%, %.0f s left", 100 * part, elapsed * (1 - part) / part);
    }
    fputs("\33[K", stderr);
    fflush(stderr);
    return 0;
}

void progress_end(struct replay_progress *progress)
{
    if (progress->line)
        fputs("\r\33[K", stderr);
    progress->line = false;
}

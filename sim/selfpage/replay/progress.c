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

void progress_begin(struct replay_progress *progress, bool quiet)
{
    *progress = (struct replay_progress){.shown = !quiet && isatty(STDERR_FILENO), .began = now()};
    progress->last = progress->began;
}

/* How much of the trace is done, if that is known. */
static void show_part(const struct sp_replay_progress *at, double elapsed)
{
    double part = (double)at->bytes_done / (double)at->bytes_total;

    part = part > 1 ? 1 : part; /* the file may be growing */
    fprintf(stderr, ", %.0f %%, %.0f s left", 100 * part, elapsed * (1 - part) / part);
}

void progress_step(struct replay_progress *progress, const struct sp_replay_progress *at)
{
    double time;

    if (!progress->shown)
        return;
    time = now();
    if (at->phase != progress->phase) {
        progress->phase = at->phase;
        progress->began = time;
    }
    if (time - progress->last < INTERVAL)
        return;
    progress->last = time;
    progress->line = true;
    fprintf(stderr, "\r%s: %.1f million references, %u pages",
            at->phase == SP_REPLAY_READING ? "reading" : "replaying", (double)at->references / 1e6,
            at->pages);
    if (at->bytes_total > 0 && at->bytes_done > 0)
        show_part(at, time - progress->began);
    fputs("\33[K", stderr);
    fflush(stderr);
}

void progress_end(struct replay_progress *progress)
{
    if (progress->line)
        fputs("\r\33[K", stderr);
    progress->line = false;
}

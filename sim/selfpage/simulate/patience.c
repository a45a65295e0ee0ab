#include "selfpage/simulate/patience.h"

#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/assert.h"

/* Looks in the time that a single event has. */
#define LOOKS 4u

/* What the handler of the signal looks at. */
static const struct play_progress *watched;
static uint64_t events_before;
static uint32_t looks_alike; /* in a row that found the same event */
static uint32_t looks_left;  /* until all time is spent */

static void on_time(int signal)
{
    uint64_t events = atomic_load_explicit(&watched->events, memory_order_relaxed);

    (void)signal;
    looks_alike = events == events_before ? looks_alike + 1 : 0;
    events_before = events;
    if (looks_alike >= LOOKS - 1) /* the first of these looks came a little after the event began */
        _exit(PATIENCE_STUCK);
    if (--looks_left == 0)
        _exit(PATIENCE_SPENT);
}

/* Have the signal come each time that this process has computed for so long; 0: never. */
static void set_timer(uint64_t microseconds)
{
    const struct timeval time = {.tv_sec = (time_t)(microseconds / 1000000),
                                 .tv_usec = (suseconds_t)(microseconds % 1000000)};
    const struct itimerval timer = {.it_interval = time, .it_value = time};
    int rc = setitimer(ITIMER_PROF, &timer, NULL);

    ensure(rc == 0); /* the values are in range */
}

void patience_begin(const struct play_progress *progress, uint32_t seconds, uint32_t stuck)
{
    const struct sigaction action = {.sa_handler = on_time, .sa_flags = SA_RESTART};
    int rc;

    ensure(seconds > 0 && stuck > 0);
    stuck = stuck < seconds ? stuck : seconds;
    watched = progress;
    events_before = UINT64_MAX;
    looks_alike = 0;
    looks_left = (uint32_t)((uint64_t)seconds * LOOKS / stuck);
    rc = sigaction(SIGPROF, &action, NULL);
    ensure(rc == 0);
    set_timer((uint64_t)stuck * 1000000 / LOOKS);
}

void patience_end(void)
{
    set_timer(0);
    watched = NULL;
}

bool patience_explain(int exit_status, const struct play_progress *progress, uint32_t seconds,
                      char *text, size_t size)
{
    unsigned long long events = atomic_load(&progress->events);
    double now = (double)atomic_load(&progress->now_ns) / 1e9;

    if (exit_status == PATIENCE_STUCK)
        snprintf(text, size, "event %llu, at %.9f s, does not end", events + 1, now);
    else if (exit_status == PATIENCE_SPENT)
        snprintf(text, size,
                 "it is not over after %u s of processor time (--time-limit), %llu events and %.9f "
                 "virtual seconds",
                 seconds, events, now);
    return exit_status == PATIENCE_STUCK || exit_status == PATIENCE_SPENT;
}

#include "selfpage/top/top.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/exits.h"
#include "os/clock.h"
#include "selfpage/command/commands.h"
#include "selfpage/top/options.h"
#include "selfpage/top/print.h"
#include "selfpage/top/screen.h"
#include "selfpage/top/view.h"

/* How long a server may take to answer. */
#define PATIENCE_MS 10000u

static volatile sig_atomic_t asked_to_end;

struct top {
    struct top_options options;
    struct observer physmem, swap, files;
    struct view view;
    struct screen screen;
    uint64_t started_ns, looked_ns;
    uint32_t looks;
};

static void end_asked(int signal)
{
    (void)signal;
    asked_to_end = 1;
}

/* A signal ends this in order, so that the terminal is as it was. */
static void watch_signals(void)
{
    const struct sigaction action = {.sa_handler = end_asked};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

static int connect_all(struct top *top, struct sp_error *error)
{
    int code;

    observer_init(&top->physmem);
    observer_init(&top->swap);
    observer_init(&top->files);
    code = observer_connect(&top->physmem, top->options.physmem, "top", error);
    if (code == 0 && top->options.swap != NULL)
        code = observer_connect(&top->swap, top->options.swap, "top", error);
    if (code == 0 && top->options.files != NULL)
        code = observer_connect(&top->files, top->options.files, "top", error);
    return code;
}

/* The task that is shown alone; 0: none is. */
static uint32_t task_alone(const struct top *top)
{
    const struct view_task *task =
        top->options.task != NULL ? view_find(&top->view, top->options.task) : NULL;

    if (top->screen.open)
        return top->screen.alone ? top->screen.chosen : 0;
    return task != NULL ? task->now.id : 0;
}

/* Ask what the task that is shown alone has. What is known of another one is forgotten. */
static void look_closer(struct top *top)
{
    uint32_t id = task_alone(top);
    bool known = id != 0 && observer_detail_wait(&top->physmem, id, PATIENCE_MS, NULL) == 0;

    view_detail(&top->view, known ? &top->physmem.detail : NULL);
}

/* Ask the servers, and add what they say to the view. Others than physmem may go: their numbers then stand
 * still. */
static int look(struct top *top, struct sp_error *error)
{
    uint64_t now;
    int code = observer_refresh(&top->physmem, PATIENCE_MS, error);

    if (code != 0)
        return code;
    if (top->swap.link.fd >= 0)
        observer_refresh(&top->swap, PATIENCE_MS, NULL);
    if (top->files.link.fd >= 0 && observer_refresh(&top->files, PATIENCE_MS, NULL) == 0)
        view_files(&top->view, &top->files.files);
    now = clock_now_ns();
    code = view_sample(&top->view, &top->physmem, top->options.swap != NULL ? &top->swap : NULL,
                       (double)(now - top->looked_ns) / 1e9);
    top->looked_ns = now;
    top->looks++;
    if (code == 0)
        look_closer(top);
    return code == 0 ? 0 : error_set(error, ENOMEM, "no memory for the list of tasks");
}

static bool over(const struct top *top)
{
    return asked_to_end || (top->options.samples > 0 && top->looks >= top->options.samples);
}

/* Wait until it is time for the next look, or something is typed. */
static void wait_for_time(const struct top *top, bool keys)
{
    uint64_t now = clock_now_ns(), due = top->looked_ns + top->options.interval_ns;
    struct pollfd typed = {.fd = keys ? STDIN_FILENO : -1, .events = POLLIN};
    uint64_t left_ms = due > now ? (due - now + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS : 0;

    if (left_ms > 0)
        poll(&typed, 1, (int)left_ms); /* a signal ends the wait as well */
}

/* ---- Without a screen ---- */

static int print(struct top *top, struct sp_error *error)
{
    double seconds = (double)(top->looked_ns - top->started_ns) / 1e9;
    int code = top->options.json ? print_json(stdout, &top->view, &top->options, seconds)
                                 : print_table(stdout, &top->view, &top->options, seconds);

    return code == 0 ? 0 : error_set(error, -code, "cannot print: %s", strerror(-code));
}

static int run_batch(struct top *top, struct sp_error *error)
{
    int code = 0;

    while (code == 0 && !over(top)) {
        code = look(top, error);
        if (code == -EPIPE && top->looks > 0 && top->options.samples == 0) {
            fprintf(stderr, "selfpage: physmem has ended\n");
            return 0;
        }
        if (code == 0)
            code = print(top, error);
        while (code == 0 && !over(top) &&
               clock_now_ns() < top->looked_ns + top->options.interval_ns)
            wait_for_time(top, false);
    }
    return code;
}

/* ---- With a screen ---- */

/* Keys, until none is left. False: end. */
static bool serve_keys(struct top *top, bool *draw)
{
    enum screen_wish wish;

    while ((wish = screen_key(&top->screen)) != SCREEN_NOTHING) {
        if (wish == SCREEN_END)
            return false;
        *draw = true;
    }
    return true;
}

static int run_screen(struct top *top, struct sp_error *error)
{
    const char *remark = NULL;
    int code = screen_open(&top->screen, &top->options, error);

    if (code != 0)
        return code;
    watch_signals(); /* ncurses has put handlers of its own there */
    while (code == 0 && !over(top)) {
        uint64_t due = top->looked_ns + top->options.interval_ns;
        bool draw = false;

        if (remark == NULL && !top->screen.paused && clock_now_ns() >= due) {
            if (look(top, error) != 0)
                remark = "physmem has gone; these are its last numbers. q ends";
            draw = true;
        } else if (top->screen.paused || remark != NULL) {
            top->looked_ns = clock_now_ns();
        }
        if (!serve_keys(top, &draw))
            break;
        if (draw && remark == NULL && task_alone(top) != top->view.detail.task)
            look_closer(top); /* another task was chosen */
        if (draw)
            code = screen_draw(&top->screen, &top->view, remark);
        wait_for_time(top, true);
    }
    screen_close(&top->screen);
    if (code != 0)
        return error_set(error, -code, "cannot draw: %s", strerror(-code));
    return 0;
}

/* ---- The command ---- */

static int watch(struct top *top, struct sp_error *error)
{
    bool batch = top->options.batch || top->options.json;
    int code = connect_all(top, error);

    watch_signals();
    top->started_ns = top->looked_ns = clock_now_ns();
    if (code == 0 && !batch)
        code = look(top, error);
    if (code == 0)
        code = batch ? run_batch(top, error) : run_screen(top, error);
    view_fini(&top->view);
    observer_fini(&top->physmem);
    observer_fini(&top->swap);
    observer_fini(&top->files);
    return code;
}

int top_command(int argc, char **argv)
{
    static struct top top;
    struct sp_error error = {0};
    int status = EXIT_YES;

    switch (top_options_parse(argc, argv, &top.options, &error)) {
    case OPTIONS_EXIT:
        break;
    case OPTIONS_BAD:
        status = commands_cannot(&error);
        break;
    case OPTIONS_RUN:
        if (watch(&top, &error) != 0)
            status = commands_cannot(&error);
        break;
    }
    top_options_fini(&top.options);
    return status;
}

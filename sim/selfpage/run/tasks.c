/* The tasks of a run: starting them, reading their counters, ending them. */
#include "selfpage/run/tasks.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "launch/child.h"
#include "os/clock.h"

/* How long a task that is asked to end may take. */
enum { STOP_PATIENCE_MS = 2000 };

/* How often it is looked whether a part of a contract is there. */
enum { PART_LOOK_MS = 5 };

/* ---- Starting ---- */

/* A token that no part has. */
#define NO_PART UINT64_C(1)

/* The token of the part that a task is to live from. False: it may come yet. */
static bool part_is_there(const struct run_task *task, uint64_t *tokenp)
{
    const struct run_task *above = task->above;
    unsigned long long token = NO_PART;
    FILE *file = fopen(above->tokens, "re");

    for (uint32_t i = 0; file != NULL && i <= task->part; i++)
        if (fscanf(file, "%llu", &token) != 1)
            token = NO_PART;
    *tokenp = token;
    if (file != NULL)
        fclose(file);
    return file != NULL || above->outcome->state == OUTCOME_ENDED ||
           above->outcome->state == OUTCOME_NEVER;
}

static int task_environment(const struct run_task *task, uint64_t token, struct strings *list)
{
    const struct run *run = task->run;
    const struct scenario_task *scenario = task->outcome->task;
    char number[24], claim[32];

    strings_add_all(list, (const char *const *)environ);
    strings_set(list, "SELFPAGE_NAME", scenario->name);
    strings_set(list, "SELFPAGE_PHYSMEM", state_socket(run, scenario->server));
    strings_set(list, "SELFPAGE_SWAP", run->scenario->swap ? run->directory.swap : NULL);
    strings_set(list, "SELFPAGE_FILES", run->scenario->fileserver ? run->directory.files : NULL);
    snprintf(claim, sizeof claim, "claim=%llu", (unsigned long long)token);
    strings_set(list, "SELFPAGE_CONTRACT", task->above != NULL ? claim : scenario->contract);
    strings_set(list, "SELFPAGE_POLICY", task->outcome->asked_policy);
    strings_set(list, "SELFPAGE_BANDWIDTH", scenario->bandwidth);
    strings_set(list, "SELFPAGE_PAGER_THREAD", scenario->pager_thread ? "1" : NULL);
    strings_set(list, "SELFPAGE_RENEW", scenario->renew == SCENARIO_RENEW_NO ? "0" : NULL);
    if (run->options->faults != NULL)
        strings_set(list, "SELFPAGE_FAULTS", run->options->faults);
    strings_set(list, "SELFPAGE_BINDIR", run->bindir);
    strings_set(list, GUARDIAN_VARIABLE, run->guardian.mark);
    snprintf(number, sizeof number, "%llu",
             (unsigned long long)scenario_task_seed(run->seed, scenario->name));
    strings_set(list, "SELFPAGE_SEED", number);
    snprintf(number, sizeof number, "%d", SPAWN_PASSED_FD);
    strings_set(list, "SELFPAGE_STATS_FD", number);
    return list->failed ? -ENOMEM : 0;
}

/* A pipe whose write end is for the child, and whose read end a relay watches. */
static int relay_pipe(struct run_task *task, struct relay *relay, int *writep,
                      struct sp_error *error)
{
    struct launched_log log;
    int result = launched_log_pipe(&log);

    *writep = log.write;
    if (result == 0)
        result = relay_start(relay, &task->run->loop, &task->run->report, task->outcome->task->name,
                             log.read);
    return result == 0 ? 0 : error_set(error, -result, "pipe: %s", strerror(-result));
}

static int task_begin(struct run_task *task, uint64_t token, struct sp_error *error)
{
    struct spawn spawn = {SPAWN_DEFAULTS, .program = task->program, .argv = task->argv.items,
                          .group = task->run->guardian.group};
    struct strings envp = {0};
    int result = relay_pipe(task, &task->output, &spawn.output, error);

    if (result == 0)
        result = relay_pipe(task, &task->error, &spawn.error, error);
    task->stats_fd = memfd_create("selfpage-stats", MFD_CLOEXEC);
    if (result == 0 &&
        (task->stats_fd < 0 || ftruncate(task->stats_fd, sizeof(struct stats_page)) != 0))
        result = error_set(error, errno, "memfd_create: %s", strerror(errno));
    if (result == 0 && task_environment(task, token, &envp) != 0)
        result = error_set(error, ENOMEM, "out of memory");
    if (result == 0) {
        spawn.passed = task->stats_fd;
        spawn.envp = envp.items;
        result = spawn_program(&spawn, &task->outcome->pid, error);
    }
    strings_fini(&envp);
    if (spawn.output >= 0)
        close(spawn.output);
    if (spawn.error >= 0)
        close(spawn.error);
    return result;
}

/* ---- While they run ---- */

void tasks_sample(struct run_task *task)
{
    const struct sp_stats before = task->outcome->stats;
    struct stats_page page;
    struct sp_stats now;

    /* By pread, for the task can shrink the file. */
    if (task->stats_fd < 0 || pread(task->stats_fd, &page, sizeof page, 0) != (ssize_t)sizeof page)
        return;
    now = page.stats;
    outcome_note_policy(task->outcome, page.policy);
    if (now.guaranteed == 0 && now.extra == 0 && now.held == 0) {
        now.guaranteed = before.guaranteed;
        now.extra = before.extra;
        now.resident = before.resident;
        now.held = before.held;
        now.pages = before.pages;
        now.pinned = before.pinned;
    }
    task->outcome->stats = now;
}

void tasks_look_over(struct run *run)
{
    if (run->tasks_left == 0 && (run->events_held == 0 || run->interrupted || run->timed_out))
        uv_stop(&run->loop);
}

/* Nothing is left to wait for. */
static void task_is_over(struct run_task *task, enum task_state state)
{
    task->outcome->state = state;
    uv_timer_stop(&task->start);
    uv_timer_stop(&task->stop);
    task->run->tasks_left--;
    tasks_look_over(task->run);
}

static void on_task_stop(uv_timer_t *timer)
{
    struct run_task *task = timer->data;

    kill(task->outcome->pid, SIGTERM);
}

/* A task that dies of a fault says why, if the library could: if it did not, say what is known. */
static void explain_death(const struct run_task *task, int status)
{
    const char *text = child_fault_text(status);

    if (text == NULL || task->error.lines > 0)
        return;
    report_line(&task->run->report, "selfpage",
                "task %s died of SIG%s and wrote nothing about it: %s", task->outcome->task->name,
                sigabbrev_np(WTERMSIG(status)), text);
}

void tasks_look(struct run_task *task)
{
    int status;

    if (task->outcome->state != OUTCOME_RUNNING ||
        child_wait(task->outcome->pid, 0, &status) == -ETIMEDOUT)
        return;
    task->outcome->exit_status = child_exit_status(status);
    task->outcome->microseconds = (clock_now_ns() - task->started_ns) / 1000;
    tasks_sample(task);
    relay_drain(&task->output);
    relay_drain(&task->error);
    explain_death(task, status);
    timeline_task_ends(&task->run->timeline, state_ns(task->run), &task->run->outcome,
                       (uint32_t)(task - task->run->tasks));
    task_is_over(task, OUTCOME_ENDED);
}

/* ---- The end ---- */

void tasks_kill(struct run *run)
{
    for (uint32_t i = 0; i < run->scenario->tasks_count; i++)
        if (run->outcome.tasks[i].state == OUTCOME_RUNNING)
            kill(run->outcome.tasks[i].pid, SIGKILL);
}

static void on_patience(uv_timer_t *timer)
{
    tasks_kill(timer->data);
}

void tasks_end(struct run *run)
{
    for (uint32_t i = 0; i < run->scenario->tasks_count; i++) {
        struct run_task *task = &run->tasks[i];

        if (task->outcome->state == OUTCOME_WAITING)
            task_is_over(task, OUTCOME_NEVER);
        else if (task->outcome->state == OUTCOME_RUNNING)
            kill(task->outcome->pid, SIGTERM);
    }
    uv_timer_start(&run->patience, on_patience, STOP_PATIENCE_MS, 0);
    tasks_look_over(run);
}

static void on_task_start(uv_timer_t *timer)
{
    struct run_task *task = timer->data;
    struct run *run = task->run;
    uint64_t token = 0;

    if (task->above != NULL && !part_is_there(task, &token)) {
        uv_timer_start(timer, on_task_start, PART_LOOK_MS, 0);
        return;
    }
    if (task->above != NULL && token == NO_PART)
        report_line(&run->report, "selfpage", "task %s has ended, and has split off no part for %s",
                    task->above->outcome->task->name, task->outcome->task->name);
    task->started_ns = clock_now_ns();
    if (task_begin(task, token, &run->failure) != 0) {
        task_is_over(task, OUTCOME_NEVER);
        tasks_end(run);
        return;
    }
    task->outcome->state = OUTCOME_RUNNING;
    timeline_task_starts(&run->timeline, state_ns(run), &run->outcome,
                         (uint32_t)(task - run->tasks), (int)task->outcome->pid);
    if (task->outcome->task->stop_after != NULL)
        uv_timer_start(&task->stop, on_task_stop, state_ms(task->outcome->task->stop_ns), 0);
}

void tasks_arm(struct run_task *task)
{
    uv_timer_init(&task->run->loop, &task->stop);
    uv_timer_init(&task->run->loop, &task->start);
    task->stop.data = task->start.data = task;
    uv_timer_start(&task->start, on_task_start, state_ms(task->outcome->task->start_ns), 0);
}

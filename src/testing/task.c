/* The fixture of selfpage/testing.h: tasks in processes of their own. */
#include "testing/fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "shm/stats_page.h"
#include "launch/program.h"
#include "launch/child.h"
#include "testing/inworld.h"

/* What to run: a program if argv is not NULL, else a function. */
struct job {
    const char *const *argv;
    int (*function)(void *arg);
    void *arg;
};

static void environment_fill(const struct sp_testing *fixture, const char *name,
                             const char *contract, const char *policy, struct strings *list)
{
    char seed[24];

    snprintf(seed, sizeof seed, "%llu", (unsigned long long)fixture->seed);
    strings_add_all(list, (const char *const *)environ);
    strings_set(list, "SELFPAGE_NAME", name);
    strings_set(list, "SELFPAGE_PHYSMEM", sp_testing_socket(fixture, SP_TESTING_PHYSMEM));
    strings_set(list, "SELFPAGE_SWAP", sp_testing_socket(fixture, SP_TESTING_SWAP));
    strings_set(list, "SELFPAGE_CONTRACT", contract);
    strings_set(list, "SELFPAGE_POLICY", policy);
    strings_set(list, "SELFPAGE_SEED", seed);
    strings_set(list, "SELFPAGE_BINDIR", fixture->bindir);
    strings_set(list, GUARDIAN_VARIABLE, fixture->guardian.mark);
    strings_set(list, "SELFPAGE_STATS_FD", NULL);
}

char **sp_testing_environment(const struct sp_testing *fixture, const char *name,
                              const char *contract, const char *policy)
{
    struct strings list = {0};
    size_t size = 0;
    char **block = NULL, *text;

    if (fixture->world != NULL)
        return NULL;
    environment_fill(fixture, name, contract, policy, &list);
    for (size_t i = 0; i < list.count; i++)
        size += strlen(list.items[i]) + 1;
    if (!list.failed)
        block = malloc((list.count + 1) * sizeof *block + size);
    if (block != NULL) {
        text = (char *)(block + list.count + 1);
        for (size_t i = 0; i < list.count; i++) {
            block[i] = text;
            text = stpcpy(text, list.items[i]) + 1;
        }
        block[list.count] = NULL;
    }
    strings_fini(&list);
    return block;
}

static void task_free(struct sp_testing_task *task)
{
    if (task->stats_fd >= 0)
        close(task->stats_fd);
    launched_log_fini(&task->log);
    free(task);
}

/* A task without a process yet. */
static struct sp_testing_task *task_new(struct sp_testing *fixture, struct sp_error *error)
{
    struct sp_testing_task *task = calloc(1, sizeof *task);
    int result;

    if (task == NULL) {
        error_set(error, ENOMEM, "out of memory");
        return NULL;
    }
    task->fixture = fixture;
    task->stats_fd = memfd_create("selfpage-stats", MFD_CLOEXEC);
    result = launched_log_memory(&task->log);
    if (task->stats_fd >= 0 && result == 0 &&
        ftruncate(task->stats_fd, sizeof(struct stats_page)) == 0)
        return task;
    error_set(error, result != 0 ? -result : errno, "memfd_create: %s",
              strerror(result != 0 ? -result : errno));
    task_free(task);
    return NULL;
}

static int job_start_program(const struct job *job, struct spawn *spawn, struct strings *envp,
                             const struct sp_testing_task *task, pid_t *pidp,
                             struct sp_error *error)
{
    char path[PATH_MAX], number[12];

    spawn->program = job->argv[0];
    if (strchr(job->argv[0], '/') == NULL) {
        int result = program_find(task->fixture->bindir, job->argv[0], path, sizeof path, error);

        if (result != 0)
            return result;
        spawn->program = path;
    }
    snprintf(number, sizeof number, "%d", SPAWN_PASSED_FD);
    strings_set(envp, "SELFPAGE_STATS_FD", number);
    if (envp->failed)
        return error_set(error, ENOMEM, "out of memory");
    spawn->argv = (char *const *)job->argv;
    spawn->envp = envp->items;
    spawn->passed = task->stats_fd;
    return spawn_program(spawn, pidp, error);
}

static int job_start_function(const struct job *job, struct spawn *spawn, struct strings *envp,
                              const struct sp_testing_task *task, pid_t *pidp,
                              struct sp_error *error)
{
    char number[12];

    snprintf(number, sizeof number, "%d", task->stats_fd);
    strings_set(envp, "SELFPAGE_STATS_FD", number);
    if (envp->failed)
        return error_set(error, ENOMEM, "out of memory");
    spawn->envp = envp->items;
    spawn->closed = task->fixture->guardian.pipe;
    fflush(NULL); /* or the child would write what is buffered here a second time */
    return spawn_function(spawn, job->function, job->arg, pidp, error);
}

static int job_begin(struct sp_testing *fixture, const char *name, const char *contract,
                     const char *policy, const struct job *job, struct sp_testing_task **taskp,
                     struct sp_error *error)
{
    struct sp_testing_task *task;
    struct spawn spawn = {SPAWN_DEFAULTS, .group = fixture->guardian.group};
    struct strings envp = {0};
    char own_name[32];
    int result;

    if (fixture->world != NULL)
        return error_set(error, ENOTSUP,
                         "a function or a program cannot run in a world: begin a workload "
                         "(sp_testing_begin_load)");
    task = task_new(fixture, error);
    if (task == NULL)
        return -ENOMEM;
    snprintf(own_name, sizeof own_name, "task-%u", ++fixture->tasks_begun);
    snprintf(task->name, sizeof task->name, "%s", name != NULL ? name : own_name);
    environment_fill(fixture, name != NULL ? name : own_name, contract, policy, &envp);
    spawn.error = task->log.write;
    result = (job->argv != NULL ? job_start_program : job_start_function)(job, &spawn, &envp, task,
                                                                          &task->pid, error);
    strings_fini(&envp);
    if (result != 0) {
        task_free(task);
        return result;
    }
    task->next = fixture->tasks;
    fixture->tasks = task;
    *taskp = task;
    return 0;
}

int sp_testing_begin(struct sp_testing *fixture, const char *name, const char *contract,
                     const char *policy, int (*function)(void *arg), void *arg,
                     struct sp_testing_task **taskp, struct sp_error *error)
{
    const struct job job = {.function = function, .arg = arg};

    return job_begin(fixture, name, contract, policy, &job, taskp, error);
}

int sp_testing_begin_program(struct sp_testing *fixture, const char *name, const char *contract,
                             const char *policy, const char *const *argv,
                             struct sp_testing_task **taskp, struct sp_error *error)
{
    const struct job job = {.argv = argv};

    return job_begin(fixture, name, contract, policy, &job, taskp, error);
}

int sp_testing_begin_load(struct sp_testing *fixture, const char *name, const char *contract,
                          const char *policy, const char *workload, struct sp_testing_task **taskp,
                          struct sp_error *error)
{
    const char *const argv[] = {"selfpage-load", workload, NULL};

    if (fixture->world != NULL)
        return inworld_begin(fixture, name, contract, policy, workload, taskp, error);
    return sp_testing_begin_program(fixture, name, contract, policy, argv, taskp, error);
}

int sp_testing_run_load(struct sp_testing *fixture, const char *name, const char *contract,
                        const char *policy, const char *workload, struct sp_testing_result *result,
                        struct sp_error *error)
{
    struct sp_testing_task *task;
    int code = sp_testing_begin_load(fixture, name, contract, policy, workload, &task, error);

    if (code == 0)
        sp_testing_wait(&task, result);
    return code;
}

pid_t sp_testing_task_pid(const struct sp_testing_task *task)
{
    return task->pid;
}

int sp_testing_task_ended(const struct sp_testing_task *task)
{
    if (task->fixture->world != NULL)
        return sp_world_exit_status(task->fixture->world, task->number) >= 0;
    return child_ended(task->pid);
}

void sp_testing_task_stats(const struct sp_testing_task *task, struct sp_stats *stats)
{
    if (task->fixture->world != NULL) {
        (void)sp_world_stats(task->fixture->world, task->number, stats);
        return;
    }
    /* By pread, for the task can shrink the file. */
    if (pread(task->stats_fd, stats, sizeof *stats, 0) != (ssize_t)sizeof *stats)
        *stats = (struct sp_stats){0};
}

static void task_result(const struct sp_testing_task *task, int status, bool timed_out,
                        struct sp_testing_result *result)
{
    const char *text = child_fault_text(status);

    *result = (struct sp_testing_result){.exit_status = child_exit_status(status),
                                         .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
                                         .timed_out = timed_out};
    sp_testing_task_stats(task, &result->stats);
    if (parts_log_tail(&task->log, result->output, sizeof result->output) > 0 || text == NULL)
        return;
    snprintf(result->output, sizeof result->output,
             "selfpage: task %s died of SIG%s and wrote nothing about it: %s\n", task->name,
             sigabbrev_np(WTERMSIG(status)), text);
}

static void task_await(struct sp_testing_task *task, struct sp_testing_result *result)
{
    struct remembered *remembered = calloc(1, sizeof *remembered);
    int status = 0, waited = child_wait(task->pid, task->fixture->timeout_ms, &status);

    if (waited == -ETIMEDOUT)
        child_end(task->pid, SIGKILL, task->fixture->timeout_ms, &status);
    task_result(task, status, waited == -ETIMEDOUT, result);
    if (remembered == NULL)
        return; /* expectations will say that there is no such task */
    *remembered = (struct remembered){
        .next = task->fixture->ended, .exit_status = result->exit_status, .stats = result->stats};
    memcpy(remembered->name, task->name, sizeof remembered->name);
    task->fixture->ended = remembered;
}

void sp_testing_wait(struct sp_testing_task **taskp, struct sp_testing_result *result)
{
    struct sp_testing_task *task = *taskp, **link = &task->fixture->tasks;
    struct sp_testing_result own;

    if (result == NULL)
        result = &own;
    if (task->fixture->world != NULL)
        inworld_wait(task, result);
    else
        task_await(task, result);
    parts_words_note(&task->fixture->heard, task->name, result);
    if (result->exit_status != 0)
        fputs(result->output, stderr);
    while (*link != task)
        link = &(*link)->next;
    *link = task->next;
    task_free(task);
    *taskp = NULL;
}

void task_each_log(const struct sp_testing *fixture, struct sp_testing_words *words,
                   void (*function)(struct sp_testing_words *words, const char *name,
                                    const char *state, const struct launched_log *log))
{
    for (const struct sp_testing_task *task = fixture->tasks; task != NULL; task = task->next)
        if (task->pid != 0)
            function(words, task->name, child_ended(task->pid) ? " (ended)" : " (running)",
                     &task->log);
}

void task_end_all(struct sp_testing *fixture)
{
    while (fixture->tasks != NULL) {
        struct sp_testing_task *task = fixture->tasks;
        int status;

        if (task->pid != 0)
            child_end(task->pid, SIGKILL, fixture->timeout_ms, &status);
        fixture->tasks = task->next;
        task_free(task);
    }
    while (fixture->ended != NULL) {
        struct remembered *ended = fixture->ended;

        fixture->ended = ended->next;
        free(ended);
    }
}

int sp_testing_run(struct sp_testing *fixture, const char *contract, const char *policy,
                   int (*function)(void *arg), void *arg, struct sp_testing_result *result,
                   struct sp_error *error)
{
    struct sp_testing_task *task;
    int code = sp_testing_begin(fixture, NULL, contract, policy, function, arg, &task, error);

    if (code == 0)
        sp_testing_wait(&task, result);
    return code;
}

int sp_testing_run_program(struct sp_testing *fixture, const char *contract, const char *policy,
                           const char *const *argv, struct sp_testing_result *result,
                           struct sp_error *error)
{
    struct sp_testing_task *task;
    int code = sp_testing_begin_program(fixture, NULL, contract, policy, argv, &task, error);

    if (code == 0)
        sp_testing_wait(&task, result);
    return code;
}

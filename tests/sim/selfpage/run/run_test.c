/* The selfpage command as a whole: real servers, real tasks, every kind of ending. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef RUNNING_ON_VALGRIND
#define RUNNING_ON_VALGRIND 0
#endif

#include <selfpage/stats.h>

#include "run_place.h"

/* A task that says that it runs, and then waits for whatever end it meets. */
#define WAITING(name)                                                                              \
    "- name: " name "\n"                                                                           \
    "  program: /bin/sh\n"                                                                         \
    "  arguments: [-c, 'echo $$$$ > " name ".new; mv " name ".new " name "; trap \"\" TERM;"       \
    " while :; do read x < fifo; done']\n"                                                         \
    "  contract: extra=1\n"

static void a_task_sorts_and_all_is_reported(void **state)
{
    static const char *const counters[] = {"guaranteed",  "extra",     "resident",    "faults",
                                           "soft_faults", "evictions", "swapped_out", "swapped_in",
                                           "dropped",     "recalls",   "recalls_met"};
    const struct place *place = *state;
    struct run run;
    char *output, *error;
    json_t *object, *task;

    write_file(place, "s.yaml",
               HEAD "- name: sorter\n  program: sort\n  policy: fifo\n"
                    "  arguments: [\"${IN}\", \"${DIR}/sorted\"]\n  contract: guaranteed=32\n"
                    "- name: talker\n  program: /bin/sh\n  arguments: [-c, 'echo out; exit 3']\n"
                    "  contract: extra=1\n  expect_exit: 3\n  start: 10ms\n"
                    "expect:\n- sorter.faults > 0\n- physmem.free == physmem.frames\n"
                    "- sorter.faults < 0\n"
                    "check:\n- {command: 'LC_ALL=C sort \"$IN\" | cmp - sorted', text: sorted}\n");
    run = run_begin(place, (const char *[]){"run", "s.yaml", "--json", "--table", "--define",
                                            "IN=/usr/include/stdio.h", NULL});
    if (run_end(&run, &output, &error) != 1)
        fail_msg("%s%s", output, error);
    assert_non_null(strstr(error, "talker: out\n"));
    assert_non_null(strstr(error, "FAILED  sorter.faults < 0"));
    object = json_loads(output, 0, NULL);
    assert_non_null(object);
    assert_true(json_is_false(member(object, "passed")));
    assert_true(json_array_size(member(object, "expectations")) >= 7);
    for (size_t i = 0; i < json_array_size(member(object, "expectations")); i++) {
        json_t *expectation = json_array_get(member(object, "expectations"), i);
        bool wrong =
            strcmp(json_string_value(member(expectation, "text")), "sorter.faults < 0") == 0;

        if (json_is_true(member(expectation, "passed")) == wrong)
            fail_msg("%s\n%s", json_string_value(member(expectation, "text")), error);
    }
    task = json_array_get(member(object, "tasks"), 0);
    assert_string_equal(json_string_value(member(task, "name")), "sorter");
    assert_string_equal(json_string_value(member(task, "policy")), "fifo");
    assert_int_equal(json_integer_value(member(task, "exit_status")), 0);
    assert_true(json_is_false(member(task, "breached")));
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
        assert_true(json_is_integer(member(task, counters[i])));
    assert_int_equal(json_integer_value(member(task, "guaranteed")), 32);
    task = json_array_get(member(object, "tasks"), 1);
    assert_int_equal(json_integer_value(member(task, "exit_status")), 3);
    assert_int_equal(json_integer_value(member(member(object, "physmem"), "frames")), 256);
    assert_int_equal(json_integer_value(member(member(object, "swap"), "slots")), 512);
    json_decref(object);
    free(output);
    free(error);
    assert_true(only_files_are_left(place));
}

/* Three physmems on top of each other: tasks cannot tell. */
static void tasks_sort_alike_on_physmems_on_physmems(void **state)
{
    const struct place *place = *state;
    struct run run;
    char *output, *error;

    write_file(place, "s.yaml",
               "physmem: {frames: 256, chaos_unmap: 100}\n"
               "physmems:\n"
               "- {name: middle, contract: guaranteed=128;extra=64}\n"
               "- {name: below, upstream: middle, contract: guaranteed=64;extra=32,\n"
               "   arbiter: maxmin, reserve: 1}\n"
               "swap: {slots: 512}\n"
               "tasks:\n"
               "- {name: first, program: sort, arguments: [\"${IN}\", \"${DIR}/first\"],\n"
               "   contract: guaranteed=32}\n"
               "- {name: last, program: sort, arguments: [\"${IN}\", \"${DIR}/last\"],\n"
               "   contract: guaranteed=24;extra=8, physmem: below}\n"
               "expect:\n- first.faults > 0\n- last.faults > 0\n- physmem.breaches == 0\n"
               "- physmem.free == 128\n"
               "check:\n- {command: 'cmp first last && LC_ALL=C sort \"$IN\" | cmp - last',\n"
               "   text: the same bytes}\n");
    run = run_begin(place, (const char *[]){"run", "s.yaml", "--table", "--define",
                                            "IN=/usr/include/stdio.h", NULL});
    if (run_end(&run, &output, &error) != 0)
        fail_msg("%s%s", output, error);
    assert_non_null(strstr(output, "below lasts to the end and ends well"));
    free(output);
    free(error);
    assert_true(only_files_are_left(place));
}

/* An extent of fewer pages than others lies in a container above that has as many as all: the last one, for 900 frames may lie
 * in 7,200 slots, and few of them in each extent. */
static void a_task_on_a_stacked_physmem_uses_all_its_extents(void **state)
{
    const struct place *place = *state;
    struct run run;
    char *output, *error;

    write_file(place, "s.yaml",
               "physmem: {frames: 1200}\n"
               "physmems:\n- {name: above, contract: guaranteed=1100}\n"
               "timeout: 60s\n"
               "tasks:\n"
               "- {name: spread, physmem: above, contract: 'guaranteed=900,breach=repossess',\n"
               "   workload: {pages: 900, kind: discardable, scan: 1}}\n"
               "expect:\n- spread.faults == 900\n- physmem.breaches == 0\n");
    run = run_begin(place, (const char *[]){"run", "s.yaml", "--table", NULL});
    if (run_end(&run, &output, &error) != 0)
        fail_msg("%s%s", output, error);
    free(output);
    free(error);
    assert_true(only_files_are_left(place));
}

/* A physmem that is killed takes along those that rest on it, and their tasks; the first one lasts. */
static void a_physmem_that_is_killed_ends_what_rests_on_it(void **state)
{
    const struct place *place = *state;
    struct run run;
    char *output, *error;

    write_file(place, "s.yaml",
               "physmem: {frames: 256}\n"
               "physmems:\n"
               "- {name: middle, contract: guaranteed=128}\n"
               "- {name: below, upstream: middle, contract: guaranteed=64}\n"
               "swap: {slots: 8192}\n"
               "tasks:\n"
               "- {name: store, program: kvstore, arguments: [--operations, '100000000'],\n"
               "   contract: guaranteed=32, physmem: below, expect_exit: any}\n"
               "events:\n- {at: 500ms, kill: middle}\n"
               "expect:\n- store.exit_status != 0\n- physmem.tasks == 0\n");
    run = run_begin(place, (const char *[]){"run", "s.yaml", "--table", NULL});
    if (run_end(&run, &output, &error) != 1)
        fail_msg("%s%s", output, error);
    assert_non_null(strstr(output, "FAILED  below lasts to the end and ends well"));
    assert_non_null(strstr(output, "passed  middle lasts to the end and ends well"));
    assert_non_null(strstr(output, "passed  physmem lasts to the end and ends well"));
    assert_non_null(strstr(output, "passed  store.exit_status != 0"));
    assert_non_null(strstr(output, "passed  physmem.tasks == 0"));
    assert_non_null(strstr(error, "the physmem above"));
    free(output);
    free(error);
}

/* Start a run of one task that waits, and wait until it does: its process. */
static struct run begin_waiting(const struct place *place, const char *scenario, pid_t *waiting)
{
    struct run run;
    char path[128];
    FILE *file;
    int pid;

    snprintf(path, sizeof path, "%s/fifo", place->path);
    assert_int_equal(mkfifo(path, 0600), 0);
    write_file(place, "wait.yaml", scenario);
    run = run_begin(place, (const char *[]){"run", "wait.yaml", NULL});
    snprintf(path, sizeof path, "%s/waiter", place->path);
    assert_true(wait_until(path_is_there, path));
    file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &pid), 1);
    fclose(file);
    *waiting = pid;
    return run;
}

static void a_task_that_hangs_is_named_at_the_timeout(void **state)
{
    const struct place *place = *state;
    pid_t waiting;
    struct run run = begin_waiting(place, HEAD WAITING("waiter") "timeout: 500ms\n", &waiting);
    char *output, *error;

    assert_int_equal(run_end(&run, &output, &error), 1);
    assert_non_null(strstr(error, "timeout after 500ms; still running: waiter"));
    assert_non_null(strstr(output, "FAILED  all tasks end within 500ms"));
    assert_non_null(strstr(output, "still running then: waiter"));
    assert_true(process_is_gone(waiting));
    assert_true(only_files_are_left(place));
    free(output);
    free(error);
}

static void an_interrupt_ends_everything(void **state)
{
    const struct place *place = *state;
    pid_t waiting;
    struct run run = begin_waiting(place, HEAD WAITING("waiter"), &waiting);
    char *output, *error;

    kill(run.pid, SIGINT);
    assert_int_equal(run_end(&run, &output, &error), 1);
    assert_non_null(strstr(error, "ending all tasks"));
    assert_non_null(strstr(output, "the run was interrupted"));
    assert_true(process_is_gone(waiting));
    assert_true(only_files_are_left(place));
    free(output);
    free(error);
}

/* A process, other than this test's own, that has the test's directory and `text` in its arguments;
 * 0 if there is none. */
static pid_t process_with(const struct place *place, const char *text)
{
    DIR *directory = opendir("/proc");
    const struct dirent *entry;
    pid_t found = 0;

    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        char path[300], arguments[4096];
        ssize_t size;
        int fd;

        snprintf(path, sizeof path, "/proc/%s/cmdline", entry->d_name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            continue;
        size = read(fd, arguments, sizeof arguments);
        close(fd);
        if (size > 0 && memmem(arguments, (size_t)size, place->path, strlen(place->path)) != NULL &&
            memmem(arguments, (size_t)size, text, strlen(text)) != NULL)
            found = (pid_t)strtol(entry->d_name, NULL, 10);
    }
    if (directory != NULL)
        closedir(directory);
    return found;
}

static bool no_process_is_left(const void *value)
{
    return process_with(value, "") == 0;
}

static void a_run_that_is_killed_leaves_nothing(void **state)
{
    const struct place *place = *state;
    pid_t waiting;
    struct run run = begin_waiting(place, HEAD WAITING("waiter"), &waiting);
    char *output, *error;

    assert_false(no_process_is_left(place));
    assert_false(only_files_are_left(place));
    kill(run.pid, SIGKILL);
    assert_int_equal(run_end(&run, &output, &error), 128 + SIGKILL);
    assert_true(wait_gone(waiting));
    assert_true(wait_until(no_process_is_left, place));
    assert_true(wait_until(only_files_are_left, place));
    free(output);
    free(error);
}

static void a_server_that_is_killed_is_told_of(void **state)
{
    const struct place *place = *state;

    write_file(place, "killed.yaml",
               HEAD "- {name: a, program: /bin/sleep, arguments: ['0.3'], contract: extra=1}\n"
                    "events:\n- {at: 50ms, signal: STOP, task: a}\n"
                    "- {at: 60ms, kill: swap}\n- {at: 200ms, restart: swap}\n"
                    "- {at: 210ms, stop: physmem}\n- {at: 250ms, signal: CONT, task: a}\n"
                    "expect:\n- swap.slots == 512\n");
    run_expect(place, (const char *[]){"run", "killed.yaml", NULL}, 0,
               "passed  swap lasts to the end", NULL);
    assert_true(only_files_are_left(place));
}

/* What is gone cannot be killed: the event did not happen, and the run has failed. */
static void a_server_that_does_not_run_cannot_be_killed(void **state)
{
    const struct place *place = *state;

    write_file(place, "twice.yaml",
               HEAD "- {name: a, program: /bin/sleep, arguments: ['0.3'], contract: extra=1}\n"
                    "events:\n- {at: 50ms, kill: swap}\n- {at: 200ms, kill: swap}\n");
    run_expect(place, (const char *[]){"run", "twice.yaml", NULL}, 1, "it does not run", NULL);
    assert_true(only_files_are_left(place));
}

/* However soon it is to be there again: what is told to end takes its time. What runs and was not told to is not started. */
static void a_restart_waits_until_the_server_has_ended(void **state)
{
    const struct place *place = *state;

    write_file(place, "soon.yaml",
               HEAD "- {name: a, program: /bin/sleep, arguments: ['0.3'], contract: extra=1}\n"
                    "events:\n- {at: 50ms, signal: STOP, task: a}\n"
                    "- {at: 60ms, stop: swap}\n- {at: 60ms, restart: swap}\n"
                    "- {at: 60ms, kill: swap}\n- {at: 60ms, restart: swap}\n"
                    "- {at: 250ms, signal: CONT, task: a}\n"
                    "expect:\n- swap.slots == 512\n");
    run_expect(place, (const char *[]){"run", "soon.yaml", NULL}, 0,
               "passed  swap lasts to the end", NULL);
    write_file(place, "running.yaml",
               HEAD "- {name: a, program: /bin/sleep, arguments: ['0.3'], contract: extra=1}\n"
                    "events:\n- {at: 60ms, restart: swap}\n");
    run_expect(place, (const char *[]){"run", "running.yaml", NULL}, 1, "it runs still", NULL);
    assert_true(only_files_are_left(place));
}

static void a_policy_server_is_killed_and_another_takes_control(void **state)
{
    const struct place *place = *state;

    write_file(place, "entitlements.yaml", "defaults: { extra: 50 }\n");
    write_file(place, "ruled.yaml",
               HEAD "- {name: a, program: /bin/sleep, arguments: ['0.3'], contract: extra=1}\n"
                    "policyserver: {arbiter: maxmin, entitlements: entitlements.yaml}\n"
                    "events:\n- {at: 50ms, signal: STOP, task: a}\n"
                    "- {at: 60ms, kill: policyserver}\n- {at: 200ms, restart: policyserver}\n"
                    "- {at: 250ms, signal: CONT, task: a}\n"
                    "expect:\n- physmem.control == 1\n- physmem.controllers == 2\n");
    run_expect(place, (const char *[]){"run", "ruled.yaml", NULL}, 0,
               "passed  policyserver lasts to the end", NULL);
    assert_true(only_files_are_left(place));
}

static void tasks_read_files_of_a_file_server(void **state)
{
    const struct place *place = *state;

    write_file(place, "files.yaml",
               HEAD "- name: grep\n  program: grep\n  contract: guaranteed=16\n"
                    "  arguments: [--processes, '2', --output, '${DIR}/found', define]\n"
                    "fileserver: {root: '${ROOT}', cache: 64}\n"
                    "expect:\n- physmem.locks > 0\n- physmem.copies > 0\n"
                    "- fileserver.reads >= fileserver.hits + fileserver.misses\n"
                    "- fileserver.misses > 10\n- fileserver.bytes > 10000\n"
                    "- fileserver.opens > 10\n- fileserver.refused == 0\n"
                    "- fileserver.clients == 0\n- fileserver.files == 0\n"
                    "- physmem.free == physmem.frames\n"
                    "check:\n- text: found\n  command: 'here=$PWD; cd \"$ROOT\" && LC_ALL=C grep "
                    "-rnF define . | LC_ALL=C sort | cmp - \"$here/found\"'\n");
    run_expect(place,
               (const char *[]){"run", "files.yaml", "--define", "ROOT=/usr/include/netinet", NULL},
               0, "passed  fileserver lasts to the end", NULL);
    assert_true(only_files_are_left(place));
}

/* A line of /proc/PID/status; "" if the process is gone. */
static void process_status(pid_t pid, const char *key, char *line, int size)
{
    char path[40];
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    file = fopen(path, "re");
    while (file != NULL && fgets(line, size, file) != NULL)
        if (strncmp(line, key, strlen(key)) == 0) {
            fclose(file);
            return;
        }
    if (file != NULL)
        fclose(file);
    *line = '\0';
}

static bool process_is_stopped(const void *value)
{
    char line[128];

    process_status(*(const pid_t *)value, "State:", line, sizeof line);
    return strchr(line, 'T') != NULL;
}

/* SIGTERM has been sent to a process that has not taken it yet. */
static bool termination_is_pending(const void *value)
{
    unsigned long long pending = 0;
    char line[128];

    process_status(*(const pid_t *)value, "ShdPnd:", line, sizeof line);
    return sscanf(line, "ShdPnd: %llx", &pending) == 1 && (pending >> (SIGTERM - 1) & 1) != 0;
}

/* Swap dies while a check runs, or while it is asked to end. */
static void crash_of_swap(const struct place *place, bool at_shutdown)
{
    struct run run;
    char path[128], *output, *error;
    pid_t swap;
    FILE *go;

    write_file(place, "crash.yaml",
               HEAD "- {name: a, program: /bin/true, contract: extra=1}\n"
                    "check:\n- {command: 'echo > ../checking; read x < ../go', text: waits}\n");
    snprintf(path, sizeof path, "%s/go", place->path);
    assert_int_equal(mkfifo(path, 0600), 0);
    run = run_begin(place, (const char *[]){"run", "crash.yaml", NULL});
    snprintf(path, sizeof path, "%s/checking", place->path);
    assert_true(wait_until(path_is_there, path));
    swap = process_with(place, "--slots=512");
    assert_true(swap > 0);
    if (at_shutdown) {
        kill(swap, SIGSTOP);
        assert_true(wait_until(process_is_stopped, &swap));
    }
    kill(swap, SIGABRT);
    snprintf(path, sizeof path, "%s/go", place->path);
    go = fopen(path, "we");
    assert_non_null(go);
    fputc('\n', go);
    fclose(go);
    if (at_shutdown) {
        assert_true(wait_until(termination_is_pending, &swap));
        kill(swap, SIGCONT);
    }
    assert_int_equal(run_end(&run, &output, &error), 1);
    if (strstr(output, "FAILED  swap lasts to the end and ends well") == NULL ||
        strstr(output, "killed by signal 6") == NULL ||
        strstr(output, "passed  physmem lasts to the end") == NULL)
        fail_msg("%s%s", output, error);
    free(output);
    free(error);
    assert_true(only_files_are_left(place));
}

static void a_server_that_crashes_fails_the_run(void **state)
{
    crash_of_swap(*state, false);
}

static void a_server_that_crashes_at_the_end_fails_the_run(void **state)
{
    crash_of_swap(*state, true);
}

static void a_server_that_hangs_does_not_outlast_the_timeout(void **state)
{
    const struct place *place = *state;
    pid_t waiting, physmem;
    struct run run;
    char *output, *error;

    if (RUNNING_ON_VALGRIND) /* there the command has the patience of minutes */
        skip();
    run = begin_waiting(place, HEAD WAITING("waiter") "timeout: 500ms\n", &waiting);
    physmem = process_with(place, "--frames=256");
    assert_true(physmem > 0);
    kill(physmem, SIGSTOP);
    assert_int_equal(run_end(&run, &output, &error), 1);
    if (strstr(output, "FAILED  physmem lasts to the end and ends well") == NULL ||
        strstr(output, "it hung") == NULL ||
        strstr(output, "passed  swap lasts to the end") == NULL)
        fail_msg("%s%s", output, error);
    assert_true(process_is_gone(physmem));
    assert_true(only_files_are_left(place));
    free(output);
    free(error);
}

static void slots_of_a_task_that_ended_are_back(void **state)
{
    const struct place *place = *state;

    write_file(place, "slots.yaml",
               HEAD "- {name: a, program: kvstore, arguments: [--records, '2000', --operations,"
                    " '2000'], contract: guaranteed=40}\n"
                    "expect: [swap.stores > 0, swap.used == 0, swap.reserved == 0]\n");
    for (int i = 0; i < (RUNNING_ON_VALGRIND ? 1 : 8); i++)
        run_expect(place, (const char *[]){"run", "slots.yaml", NULL}, 0, "passed  swap.used == 0",
                   NULL);
}

static void events_that_fail_or_never_happen_are_told_of(void **state)
{
    const struct place *place = *state;
    struct run run;
    char *output, *error;

    write_file(place, "events.yaml",
               HEAD "- {name: a, program: /bin/sleep, arguments: ['0.3'], contract: extra=1}\n"
                    "- {name: b, program: /bin/true, contract: extra=1, start: 200ms}\n"
                    "events:\n"
                    "- {at: 1h, signal: INT, task: a}\n"
                    "- {at: 30ms, recall: 5, task: a}\n"
                    "- {at: 0s, recall: 6, task: b}\n"
                    "- at: 1h\n  kill: swap\n");
    run = run_begin(place, (const char *[]){"run", "events.yaml", NULL});
    assert_int_equal(run_end(&run, &output, &error), 1); /* an event that fails is a failure */
    if (strstr(error, "line 7: signal INT for task a: never happened") == NULL ||
        /* Why depends on whether physmem was being asked again just when the task ended. */
        (strstr(error,
                "line 8: recall of 5 frames from task a: the task ended before it attached") ==
             NULL &&
         strstr(error, "line 8: recall of 5 frames from task a: physmem did not answer") == NULL) ||
        strstr(error, "line 9: recall of 6 frames from task b: the task has not been started") ==
            NULL ||
        strstr(error, "line 10: kill of swap: never happened") == NULL ||
        strstr(output, "FAILED  every event happens (line 7: signal INT for task a:") == NULL)
        fail_msg("%s%s", output, error);
    free(output);
    free(error);
}

static void a_recall_waits_for_its_task_to_attach(void **state)
{
    const struct place *place = *state;
    struct run run;
    char *output, *error;

    write_file(place, "attach.yaml",
               HEAD "- name: a\n  program: /bin/sh\n  contract: guaranteed=40\n"
                    "  arguments: [-c, 'sleep 0.2; exec \"$$SELFPAGE_BINDIR/selfpage-kvstore\""
                    " --records 2000 --operations 20000']\n"
                    "events: [{at: 10ms, recall: 5, task: a}]\n");
    run = run_begin(place, (const char *[]){"run", "attach.yaml", NULL});
    assert_int_equal(run_end(&run, &output, &error), 1);
    /* It reached the task, which has nothing to spare. */
    if (strstr(error, "line 8: recall of 5 frames from task a: no frames were named") == NULL)
        fail_msg("%s%s", output, error);
    free(output);
    free(error);
}

static void what_happened_to_each_event_is_in_json(void **state)
{
    const struct place *place = *state;
    struct run run;
    char *output, *error;
    json_t *object, *events;

    write_file(place, "json.yaml",
               HEAD "- {name: a, program: /bin/sleep, arguments: ['0.2'], contract: extra=1}\n"
                    "events:\n- {at: 1ms, signal: CONT, task: a}\n- {at: 60s, kill: swap}\n");
    run = run_begin(place, (const char *[]){"run", "json.yaml", "--json", NULL});
    assert_int_equal(run_end(&run, &output, &error), 1);
    object = json_loads(output, 0, NULL);
    assert_true(json_is_false(json_object_get(object, "passed")));
    events = json_object_get(object, "events");
    assert_int_equal(json_array_size(events), 2);
    assert_true(json_is_true(json_object_get(json_array_get(events, 0), "happened")));
    assert_true(json_is_false(json_object_get(json_array_get(events, 1), "happened")));
    assert_string_equal(json_string_value(json_object_get(json_array_get(events, 1), "text")),
                        "line 7: kill of swap");
    assert_string_equal(json_string_value(json_object_get(json_array_get(events, 1), "why")),
                        "never happened: the run was over before 60s");
    json_decref(object);
    free(output);
    free(error);
}

/* SIGHUP has a policy server read its file again. */
static void an_event_signals_a_server(void **state)
{
    const struct place *place = *state;

    write_file(place, "entitlements.yaml", "defaults: { extra: 50 }\n");
    write_file(place, "hup.yaml",
               HEAD "- {name: a, program: /bin/sleep, arguments: ['0.3'], contract: extra=1}\n"
                    "policyserver: {entitlements: entitlements.yaml, args: [--verbose]}\n"
                    "events:\n- {at: 100ms, signal: HUP, server: policyserver}\n");
    run_expect(place, (const char *[]){"run", "hup.yaml", NULL}, 0, "passed  every event happens",
               NULL);
    write_file(place, "both.yaml",
               HEAD "- {name: a, program: /bin/true, contract: extra=1}\n"
                    "events:\n- {at: 1ms, signal: HUP, server: swap, task: a}\n");
    run_expect(place, (const char *[]){"run", "both.yaml", NULL}, 2, NULL,
               "server goes with signal, and not with task");
}

static bool no_sleeper_is_left(const void *value)
{
    char command[160];

    snprintf(command, sizeof command, "! cat /proc/[0-9]*/cmdline 2>/dev/null | grep -qa '[7]%s'",
             (const char *)value + 1);
    return system(command) == 0;
}

static void a_process_that_a_task_has_sent_away_is_ended(void **state)
{
    const struct place *place = *state;
    char text[400], mark[40];

    snprintf(mark, sizeof mark, "73%d.5", (int)getpid());
    snprintf(text, sizeof text,
             HEAD "- {name: a, program: /bin/sh, contract: extra=1,\n"
                  "   arguments: [-c, 'setsid sleep %s > /dev/null 2>&1 & sleep 0.1']}\n",
             mark);
    write_file(place, "daemon.yaml", text);
    run_expect(place, (const char *[]){"run", "daemon.yaml", NULL}, 0, NULL,
               "killed 1 process that tasks had left behind");
    assert_true(wait_until(no_sleeper_is_left, mark));
}

/* Nor does it outlive a run that can do nothing more about it. */
static void it_ends_with_a_run_that_is_killed(void **state)
{
    const struct place *place = *state;
    char text[400], mark[40], path[128];
    char *output, *error;
    struct run run;

    snprintf(mark, sizeof mark, "74%d.5", (int)getpid());
    snprintf(
        text, sizeof text,
        HEAD
        "- {name: a, program: /bin/sh, contract: extra=1,\n"
        "   arguments: [-c, '(setsid sh -c \"echo > %s/away; exec sleep %s\" &); sleep 60']}\n",
        place->path, mark);
    write_file(place, "killed.yaml", text);
    run = run_begin(place, (const char *[]){"run", "killed.yaml", NULL});
    snprintf(path, sizeof path, "%s/away", place->path);
    assert_true(wait_until(path_is_there, path));
    kill(run.pid, SIGKILL);
    run_end(&run, &output, &error);
    assert_true(wait_until(no_sleeper_is_left, mark));
    free(output);
    free(error);
}

static void a_task_that_dies_silently_of_a_fault_is_told_of(void **state)
{
    const struct place *place = *state;

    write_file(place, "silent.yaml",
               HEAD "- {name: a, program: /bin/sh, arguments: [-c, 'kill -SEGV $$$$'],"
                    " contract: extra=1, expect_exit: 139}\n");
    run_expect(place, (const char *[]){"run", "silent.yaml", NULL}, 0, NULL,
               "task a died of SIGSEGV and wrote nothing about it");
}

static void what_is_defined_reaches_numbers_and_contracts(void **state)
{
    const struct place *place = *state;

    write_file(place, "defined.yaml",
               "physmem: {frames: ${FRAMES}}\n"
               "tasks:\n- name: a\n  program: /bin/sh\n  contract: guaranteed=${WANTED}\n"
               "  renew: no\n"
               "  arguments: [-c, 'echo \"$$SELFPAGE_CONTRACT, $$SELFPAGE_RENEW, $${X}\"']\n"
               "expect: [physmem.frames == ${FRAMES}]\n");
    run_expect(place,
               (const char *[]){"run", "defined.yaml", "--define", "FRAMES=77", "--define",
                                "WANTED=40,term=5s", NULL},
               0, "passed  physmem.frames == 77", "a: guaranteed=40,term=5s, 0, ");
    run_expect(place,
               (const char *[]){"run", "defined.yaml", "--define", "FRAMES=7x", "--define",
                                "WANTED=40", NULL},
               2, NULL, "physmem.frames: expected a whole number from 0 to 4294967295, not \"7x\"");
}

/* What a run prints that has tables, and a task for so long. For free(). */
static char *tables_of(const struct place *place, unsigned ms)
{
    char text[400];
    struct run run;
    char *output, *error;

    snprintf(text, sizeof text,
             HEAD "- {name: a, program: kvstore, contract: guaranteed=40, stop_after: %ums,\n"
                  "   arguments: [--records, '2000', --operations, '4000000000']}\n",
             ms);
    write_file(place, "table.yaml", text);
    run = run_begin(place, (const char *[]){"run", "table.yaml", "--table", NULL});
    assert_int_equal(run_end(&run, &output, &error), 0);
    free(error);
    return output;
}

/* The first table comes after two seconds, or later on a slow machine. If the task in it has pages, the
 * counters of physmem in it are not those of the start. */
static void the_first_table_shows_what_is(void **state)
{
    char *output = NULL, *line = NULL, *row;
    unsigned resident = 0;

    for (unsigned ms = 2300; line == NULL && ms < 60000; ms *= 3) {
        free(output);
        output = tables_of(*state, ms);
        line = strstr(output, "--- ");
    }
    assert_non_null(line);
    row = strstr(line, "\na ");
    line = strstr(line, "physmem: ");
    assert_non_null(line);
    assert_true(row != NULL && row < line);
    sscanf(row, "%*s %*s %*u %*u %u", &resident);
    if (resident > 0 && strncmp(line, "physmem: 256 of 256 frames free", 31) == 0)
        fail_msg("%s", output);
    assert_non_null(strstr(line, "G, E: frames guaranteed, and allowed beyond that"));
    free(output);
}

static void a_kept_directory_is_kept(void **state)
{
    const struct place *place = *state;
    char path[128];

    write_file(place, "kept.yaml",
               HEAD "- {name: a, program: /bin/sh, arguments: [-c, 'echo x > \"${DIR}/result\"'],"
                    " contract: extra=1}\n");
    run_expect(place, (const char *[]){"run", "kept.yaml", "--dir", "kept", NULL}, 0, NULL, NULL);
    snprintf(path, sizeof path, "%s/kept/result", place->path);
    assert_int_equal(access(path, F_OK), 0);
    snprintf(path, sizeof path, "%s/kept/physmem.sock", place->path);
    assert_int_equal(access(path, F_OK), -1);
}

static void two_runs_at_once_do_not_meet(void **state)
{
    const struct place *place = *state;
    struct run runs[2];

    write_file(place, "two.yaml",
               HEAD "- {name: a, program: kvstore, arguments: [--records, '300', --operations,"
                    " '1000'], contract: guaranteed=40}\n");
    for (int i = 0; i < 2; i++)
        runs[i] = run_begin(place, (const char *[]){"run", "two.yaml", NULL});
    for (int i = 0; i < 2; i++) {
        char *output, *error;

        if (run_end(&runs[i], &output, &error) != 0)
            fail_msg("%s%s", output, error);
        free(output);
        free(error);
    }
    assert_true(only_files_are_left(place));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_PLACE(a_task_sorts_and_all_is_reported),
        IN_A_PLACE(tasks_sort_alike_on_physmems_on_physmems),
        IN_A_PLACE(a_task_on_a_stacked_physmem_uses_all_its_extents),
        IN_A_PLACE(a_physmem_that_is_killed_ends_what_rests_on_it),
        IN_A_PLACE(a_task_that_hangs_is_named_at_the_timeout),
        IN_A_PLACE(an_interrupt_ends_everything),
        IN_A_PLACE(a_run_that_is_killed_leaves_nothing),
        IN_A_PLACE(a_server_that_is_killed_is_told_of),
        IN_A_PLACE(tasks_read_files_of_a_file_server),
        IN_A_PLACE(a_server_that_does_not_run_cannot_be_killed),
        IN_A_PLACE(a_restart_waits_until_the_server_has_ended),
        IN_A_PLACE(a_policy_server_is_killed_and_another_takes_control),
        IN_A_PLACE(a_server_that_crashes_fails_the_run),
        IN_A_PLACE(a_server_that_crashes_at_the_end_fails_the_run),
        IN_A_PLACE(a_server_that_hangs_does_not_outlast_the_timeout),
        IN_A_PLACE(slots_of_a_task_that_ended_are_back),
        IN_A_PLACE(events_that_fail_or_never_happen_are_told_of),
        IN_A_PLACE(a_recall_waits_for_its_task_to_attach),
        IN_A_PLACE(what_happened_to_each_event_is_in_json),
        IN_A_PLACE(an_event_signals_a_server),
        IN_A_PLACE(a_process_that_a_task_has_sent_away_is_ended),
        IN_A_PLACE(it_ends_with_a_run_that_is_killed),
        IN_A_PLACE(a_task_that_dies_silently_of_a_fault_is_told_of),
        IN_A_PLACE(what_is_defined_reaches_numbers_and_contracts),
        IN_A_PLACE(the_first_table_shows_what_is),
        IN_A_PLACE(a_kept_directory_is_kept),
        IN_A_PLACE(two_runs_at_once_do_not_meet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

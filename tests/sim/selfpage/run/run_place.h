/* Runs of the selfpage command by a test, each in a directory of its own. Included once, behind
 * CMocka's headers. */
#ifndef RUN_PLACE_H
#define RUN_PLACE_H

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "launch/spawn.h"
#include "launch/tree.h"
#include "processes.h"

/* Tests that take a place. */
#define IN_A_PLACE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/* A directory for one test; private directories of its runs lie in it too. */
struct place {
    char path[64];
};

static inline int setup(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    const char *parent = getenv("TMPDIR");

    if (place == NULL)
        return -1;
    snprintf(place->path, sizeof place->path, "%.40s/sp-run-XXXXXX",
             parent != NULL ? parent : "/tmp");
    if (mkdtemp(place->path) == NULL)
        return -1;
    setenv("XDG_RUNTIME_DIR", place->path, 1);
    *state = place;
    return 0;
}

static inline int teardown(void **state)
{
    struct place *place = *state;
    int result = tree_remove(AT_FDCWD, place->path);

    free(place);
    return result;
}

static inline void write_file(const struct place *place, const char *name, const char *text)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", place->path, name);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* A run of the command that has been started. */
struct run {
    pid_t pid;
    int output; /* memory files */
    int error;
};

static inline struct run run_begin(const struct place *place, const char *const *arguments)
{
    struct spawn spawn = {SPAWN_DEFAULTS, .directory = place->path};
    struct run run = {.output = memfd_create("output", MFD_CLOEXEC),
                      .error = memfd_create("error", MFD_CLOEXEC)};
    const char *argv[16] = {"selfpage"};
    struct sp_error error;

    for (int i = 0; arguments[i] != NULL; i++)
        argv[i + 1] = arguments[i];
    spawn.program = TEST_BINDIR "/selfpage";
    spawn.argv = (char *const *)argv;
    spawn.output = run.output;
    spawn.error = run.error;
    if (spawn_program(&spawn, &run.pid, &error) != 0)
        fail_msg("%s", error.text);
    return run;
}

/* What there is in a memory file, for free(). */
static inline char *contents(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    char *text = calloc(1, (size_t)size + 1);

    assert_non_null(text);
    assert_int_equal(pread(fd, text, (size_t)size, 0), size);
    return text;
}

static inline int run_end(struct run *run, char **outputp, char **errorp)
{
    int status;

    assert_int_equal(child_wait(run->pid, PROCESS_PATIENCE_MS * 4, &status), 0);
    *outputp = contents(run->output);
    *errorp = contents(run->error);
    close(run->output);
    close(run->error);
    return child_exit_status(status);
}

/* Run to the end; fails unless it has this exit status, and these texts in its output and error. */
static inline void run_expect(const struct place *place, const char *const *arguments, int status,
                              const char *in_output, const char *in_error)
{
    struct run run = run_begin(place, arguments);
    char *output, *error;
    int got = run_end(&run, &output, &error);

    if (got != status || (in_output != NULL && strstr(output, in_output) == NULL) ||
        (in_error != NULL && strstr(error, in_error) == NULL))
        fail_msg("exit status %d, not %d;\noutput: %s\nerror: %s", got, status, output, error);
    free(output);
    free(error);
}

/* Nothing but what the test itself wrote lies in its directory. */
static inline bool only_files_are_left(const void *value)
{
    const struct place *place = value;
    DIR *directory = opendir(place->path);
    const struct dirent *entry;
    bool clean = true;

    while (directory != NULL && (entry = readdir(directory)) != NULL)
        clean &= strncmp(entry->d_name, "selfpage-", 9) != 0;
    if (directory != NULL)
        closedir(directory);
    return clean;
}

static inline json_t *member(json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);

    if (value == NULL)
        fail_msg("the JSON object has no %s", name);
    return value;
}

#define HEAD                                                                                       \
    "physmem: {frames: 256}\n"                                                                     \
    "swap: {slots: 512, buffered: yes}\n"                                                          \
    "tasks:\n"

#endif

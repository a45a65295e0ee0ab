#include "selfpage/command/self.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/exits.h"

#define SELF "/proc/self/exe"

/* In the child: write to this pipe, and say nothing. */
static void child(int output, char *const *argv)
{
    if (dup2(output, STDOUT_FILENO) < 0 || freopen("/dev/null", "w", stderr) == NULL)
        _exit(EXIT_CANNOT);
    execv(SELF, argv);
    _exit(EXIT_CANNOT);
}

/* All objects that come, as an array. */
static json_t *read_objects(int input, struct sp_error *error)
{
    FILE *file = fdopen(input, "r");
    json_t *all = json_array();
    json_error_t mistake;
    int next;

    if (file == NULL || all == NULL) {
        error_set(error, ENOMEM, "out of memory");
        json_decref(all);
        file == NULL ? (void)close(input) : (void)fclose(file);
        return NULL;
    }
    while ((next = getc(file)) != EOF) {
        if (next == '\n' || next == ' ')
            continue;
        ungetc(next, file);
        if (json_array_append_new(all, json_loadf(file, JSON_DISABLE_EOF_CHECK, &mistake)) != 0) {
            error_set(error, EPROTO, "what came is not a JSON object: %s", mistake.text);
            json_decref(all);
            all = NULL;
            break;
        }
    }
    fclose(file);
    return all;
}

json_t *self_json_all(char *const *argv, struct sp_error *error)
{
    int ends[2], status = 0;
    json_t *all;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) != 0 || (fflush(NULL), pid = fork()) < 0) {
        error_set(error, errno, "%s", strerror(errno));
        return NULL;
    }
    if (pid == 0)
        child(ends[1], argv);
    close(ends[1]);
    all = read_objects(ends[0], error);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (all == NULL || !WIFEXITED(status) || WEXITSTATUS(status) == EXIT_CANNOT) {
        json_decref(all);
        error_set(error, EIO, "selfpage %s %s cannot run: try it", argv[1], argv[2]);
        return NULL;
    }
    return all;
}

json_t *self_json(char *const *argv, struct sp_error *error)
{
    json_t *all = self_json_all(argv, error);
    json_t *object = json_incref(json_array_get(all, 0));

    if (all != NULL && json_array_size(all) != 1) {
        error_set(error, EPROTO, "selfpage %s %s: there is not one JSON object", argv[1], argv[2]);
        json_decref(object);
        object = NULL;
    }
    json_decref(all);
    return object;
}

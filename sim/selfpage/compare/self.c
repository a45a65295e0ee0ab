#include "selfpage/compare/self.h"

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

static json_t *read_object(int input, struct sp_error *error)
{
    FILE *file = fdopen(input, "r");
    json_error_t mistake;
    json_t *object;

    if (file == NULL) {
        close(input);
        error_set(error, errno, "%s", strerror(errno));
        return NULL;
    }
    object = json_loadf(file, 0, &mistake);
    fclose(file);
    if (object == NULL)
        error_set(error, EPROTO, "no JSON object came: %s", mistake.text);
    return object;
}

json_t *self_json(char *const *argv, struct sp_error *error)
{
    int ends[2], status = 0;
    json_t *object;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) != 0 || (fflush(NULL), pid = fork()) < 0) {
        error_set(error, errno, "%s", strerror(errno));
        return NULL;
    }
    if (pid == 0)
        child(ends[1], argv);
    close(ends[1]);
    object = read_object(ends[0], error);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (!WIFEXITED(status) || WEXITSTATUS(status) == EXIT_CANNOT) {
        json_decref(object);
        error_set(error, EIO, "selfpage %s %s cannot run: try it", argv[1], argv[2]);
        return NULL;
    }
    return object;
}

int self_become(char *const *argv, struct sp_error *error)
{
    fflush(NULL);
    execv(SELF, argv);
    return error_set(error, errno, "%s: %s", SELF, strerror(errno));
}

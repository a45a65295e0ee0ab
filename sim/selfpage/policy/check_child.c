#include "selfpage/policy/check_child.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"

_Noreturn static void be_child(struct check_child *child, bool (*stage)(void *context),
                               void *context, pid_t parent)
{
    struct rlimit no_core = {0, 0};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    setrlimit(RLIMIT_CORE, &no_core);
    child->unable = !stage(context);
    child->done = true;
    _exit(0);
}

/* Say what the end of a process that did not say anything itself means. */
static void judge_end(const struct check_child *child, struct check_log *log, int status)
{
    if (child->done || log->breach[0] != '\0')
        return;
    if (WIFSIGNALED(status))
        check_text_breach(log, "it ends the process by signal %d", WTERMSIG(status));
    else
        check_text_breach(log, "it ends the process, with status %d", WEXITSTATUS(status));
}

int check_child_run(struct check_child *child, struct check_log *log, bool (*stage)(void *context),
                    void *context, struct sp_error *error)
{
    pid_t self = getpid(), pid;
    int status;

    child->done = child->unable = false;
    pid = fork();
    if (pid == 0)
        be_child(child, stage, context, self);
    if (pid < 0)
        return error_set(error, errno, "cannot start a process: %s", strerror(errno));
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return error_set(error, errno, "cannot wait for a process: %s", strerror(errno));
    judge_end(child, log, status);
    return child->unable ? error_set(error, ENOMEM, "no memory for the check") : 0;
}

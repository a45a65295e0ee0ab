/* nbdkit behind one of its filters, for tests. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "nbd_filter.h"

const char *nbd_filter_wanted(void)
{
    return getenv("SELFPAGE_TEST_NBD_FILTER");
}

/* Tell the filter to hold requests back, 'p', or to let them go, 'r'; it says so when it has. */
static bool pause_say(int fd, char what)
{
    char answer;

    return write(fd, &what, 1) == 1 && read(fd, &answer, 1) == 1;
}

/* In a child, which dies with its parent, and keeps nothing open that others wait for to be closed. */
static void pause_and_resume(const char *control)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    close_range(STDERR_FILENO + 1, ~0u, 0);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", control);
    while (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
        usleep(1000); /* the server is starting */
    while (pause_say(fd, 'p')) {
        usleep(2000);
        if (!pause_say(fd, 'r'))
            break;
        usleep(2000);
    }
    _exit(0);
}

/* Start the server with these arguments, and hold its requests back if it is asked for. */
static void start(struct nbd_filter *filter, const char *const argument[], bool pauses)
{
    nbd_server_init(&filter->server, argument);
    if (!pauses)
        return;
    filter->pauser = fork();
    assert_true(filter->pauser >= 0);
    if (filter->pauser == 0)
        pause_and_resume(filter->control);
}

void nbd_filter_init(struct nbd_filter *filter, const char *name, const char *size)
{
    const char *const plain[] = {"memory", size, NULL};
    const char *const delay[] = {"--filter=delay", "memory",     size,
                                 "rdelay=1ms",     "wdelay=1ms", NULL};
    const char *const rate[] = {"--filter=rate", "memory", size, "rate=400M", NULL};
    const char *const fails[] = {
        "--filter=error",       "memory", size, "error=EIO", "error-pread-rate=5%",
        "error-pwrite-rate=5%", NULL};
    const char *const held[] = {"--filter=pause", "memory", size, filter->parameter, NULL};

    *filter = (struct nbd_filter){0};
    scratch_init(&filter->scratch);
    snprintf(filter->control, sizeof(filter->control), "%.99s",
             scratch_path(&filter->scratch, "pause"));
    snprintf(filter->parameter, sizeof(filter->parameter), "pause-control=%s", filter->control);
    if (name == NULL)
        start(filter, plain, false);
    else if (strcmp(name, "delay") == 0)
        start(filter, delay, false);
    else if (strcmp(name, "rate") == 0)
        start(filter, rate, false);
    else if (strcmp(name, "error") == 0)
        start(filter, fails, false);
    else if (strcmp(name, "pause") == 0)
        start(filter, held, true);
    else
        fail_msg("SELFPAGE_TEST_NBD_FILTER: there is no filter %s here", name);
}

void nbd_filter_fini(struct nbd_filter *filter)
{
    if (filter->pauser > 0) {
        kill(filter->pauser, SIGKILL);
        assert_int_equal(waitpid(filter->pauser, NULL, 0), filter->pauser);
    }
    nbd_server_fini(&filter->server);
    unlink(filter->control);
    scratch_fini(&filter->scratch);
}

/* What baselines are made of: processes that answer, frames, and orders in which to touch pages. */
#include "common.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/random.h"
#include "os/clock.h"

/* ---- Processes ---- */

pid_t bench_fork(struct bench *bench, void (*function)(struct bench *bench, void *arg), void *arg)
{
    pid_t parent = getpid();
    pid_t pid = fork();

    if (pid < 0)
        bench_fail(bench, "fork: %s", strerror(errno));
    if (pid > 0)
        return pid;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        _exit(2);
    bench_pin(bench, 1);
    function(bench, arg);
    _exit(0);
}

static void bench_kill(pid_t pid)
{
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

/* ---- The echo ---- */

/* Read or write a whole message. A stream socket hands out 64 bytes in one piece, but need not. */
static bool transfer(ssize_t (*call)(int fd, void *bytes, size_t size), int fd, char *bytes)
{
    size_t done = 0;

    while (done < BENCH_ECHO_BYTES) {
        ssize_t count = call(fd, bytes + done, BENCH_ECHO_BYTES - done);

        if (count > 0)
            done += (size_t)count;
        else if (count == 0 || errno != EINTR)
            return false;
    }
    return true;
}

static ssize_t write_some(int fd, void *bytes, size_t size)
{
    return write(fd, bytes, size);
}

static void answer(struct bench *bench, void *arg)
{
    int *fds = arg;
    char bytes[BENCH_ECHO_BYTES];

    (void)bench;
    close(fds[0]);
    while (transfer(read, fds[1], bytes) && transfer(write_some, fds[1], bytes))
        continue;
}

void bench_echo_start(struct bench *bench, struct bench_echo *echo)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        bench_fail(bench, "socketpair: %s", strerror(errno));
    echo->pid = bench_fork(bench, answer, fds);
    echo->fd = fds[0];
    close(fds[1]);
}

void bench_echo_stop(struct bench_echo *echo)
{
    close(echo->fd);
    bench_kill(echo->pid);
}

bool bench_echo_ask(const struct bench_echo *echo)
{
    char bytes[BENCH_ECHO_BYTES] = {0};

    return transfer(write_some, echo->fd, bytes) && transfer(read, echo->fd, bytes);
}

/* ---- Frames ---- */

static size_t extent_size(void)
{
    return (size_t)BENCH_EXTENT * SP_PAGE_SIZE;
}

void bench_frames_init(struct bench *bench, struct bench_frames *frames, uint32_t count)
{
    uint32_t extents = (count + BENCH_EXTENT - 1) / BENCH_EXTENT;

    frames->count = extents * BENCH_EXTENT;
    frames->fd = calloc(extents, sizeof(*frames->fd));
    frames->window = calloc(extents, sizeof(*frames->window));
    if (frames->fd == NULL || frames->window == NULL)
        bench_fail(bench, "out of memory");
    for (uint32_t i = 0; i < extents; i++) {
        frames->fd[i] = memfd_create("bench-frames", MFD_CLOEXEC);
        if (frames->fd[i] < 0 || ftruncate(frames->fd[i], (off_t)extent_size()) != 0)
            bench_fail(bench, "memfd: %s", strerror(errno));
        frames->window[i] =
            mmap(NULL, extent_size(), PROT_READ | PROT_WRITE, MAP_SHARED, frames->fd[i], 0);
        if (frames->window[i] == MAP_FAILED)
            bench_fail(bench, "mmap: %s", strerror(errno));
        memset(frames->window[i], 1, extent_size());
    }
}

void bench_frames_fini(struct bench_frames *frames)
{
    for (uint32_t i = 0; i < frames->count / BENCH_EXTENT; i++) {
        munmap(frames->window[i], extent_size());
        close(frames->fd[i]);
    }
    free(frames->window);
    free(frames->fd);
}

bool bench_frame_map(const struct bench_frames *frames, uint32_t frame, void *address)
{
    return mmap(address, SP_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                frames->fd[frame / BENCH_EXTENT],
                (off_t)(frame % BENCH_EXTENT) * SP_PAGE_SIZE) != MAP_FAILED;
}

unsigned char *bench_frame_window(const struct bench_frames *frames, uint32_t frame)
{
    return frames->window[frame / BENCH_EXTENT] + (size_t)(frame % BENCH_EXTENT) * SP_PAGE_SIZE;
}

/* ---- Pages ---- */

unsigned char *bench_reserve(struct bench *bench, uint32_t pages)
{
    void *base = mmap(NULL, (size_t)pages * SP_PAGE_SIZE, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (base == MAP_FAILED)
        bench_fail(bench, "mmap: %s", strerror(errno));
    return base;
}

unsigned char *bench_frames_mapped(struct bench *bench, struct bench_frames *frames, uint32_t count)
{
    unsigned char *base = bench_reserve(bench, count);

    bench_frames_init(bench, frames, count);
    for (uint32_t i = 0; i < count; i++)
        if (!bench_frame_map(frames, i, base + (size_t)i * SP_PAGE_SIZE))
            bench_fail(bench, "mmap: %s", strerror(errno));
    return base;
}

void bench_frames_on_fault(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    if (mprotect((void *)((uintptr_t)info->si_addr & ~(uintptr_t)(SP_PAGE_SIZE - 1)), SP_PAGE_SIZE,
                 PROT_READ | PROT_WRITE) != 0)
        _exit(2);
}

void bench_order(uint32_t *order, uint32_t count, bool shuffled, uint64_t seed)
{
    struct random_source random = random_seeded(seed);

    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    for (uint32_t i = count; shuffled && i > 1; i--) {
        uint32_t other = random_below(&random, i);
        uint32_t page = order[i - 1];

        order[i - 1] = order[other];
        order[other] = page;
    }
}

double bench_touch(unsigned char *base, const uint32_t *order, uint32_t count)
{
    uint64_t start = clock_now_ns();

    for (uint32_t i = 0; i < count; i++)
        *(volatile unsigned char *)(base + (size_t)order[i] * SP_PAGE_SIZE) = 1;
    return (double)(clock_now_ns() - start) / count;
}

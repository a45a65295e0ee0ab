#include "selfpage/record/calls.h"

#include <limits.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define TEXT       256u /* bytes that are open of a path; the call is repeated if it was longer */
#define SIZE_MOST  (4ull << 20) /* a buffer of more counts as anything */
#define IOVEC_MOST 64u
#define USES_MOST  4u

/* How many bytes an argument points to: a number of them, or as another argument says, times something. */
enum how { BYTES = 1, BY_ARG, VECTOR };

struct use {
    uint8_t arg; /* the pointer */
    char way;    /* r or w: what the kernel does; k: it keeps it, too */
    uint8_t how;
    uint16_t value; /* bytes, or which argument */
    uint16_t times; /* BY_ARG: bytes of each */
};

struct row {
    int number;
    struct use uses[USES_MOST];
};

#define R(arg, bytes)                                                                              \
    {                                                                                              \
        arg, 'r', BYTES, bytes, 0                                                                  \
    }
#define W(arg, bytes)                                                                              \
    {                                                                                              \
        arg, 'w', BYTES, bytes, 0                                                                  \
    }
#define KEEP(arg, bytes)                                                                           \
    {                                                                                              \
        arg, 'k', BYTES, bytes, 0                                                                  \
    }
#define PATH(arg)                                                                                  \
    {                                                                                              \
        arg, 'r', BYTES, TEXT, 0                                                                   \
    }
#define RN(arg, size)                                                                              \
    {                                                                                              \
        arg, 'r', BY_ARG, size, 1                                                                  \
    }
#define WN(arg, size)                                                                              \
    {                                                                                              \
        arg, 'w', BY_ARG, size, 1                                                                  \
    }
#define WNX(arg, size, each)                                                                       \
    {                                                                                              \
        arg, 'w', BY_ARG, size, each                                                               \
    }
#define RV(arg, count)                                                                             \
    {                                                                                              \
        arg, 'r', VECTOR, count, 0                                                                 \
    }
#define WV(arg, count)                                                                             \
    {                                                                                              \
        arg, 'w', VECTOR, count, 0                                                                 \
    }

/* Calls that are frequent, or may wait for long. Others count as CALLS_ANY, which is always right and slower. Calls that wait with
 * another mask of signals have to: while a signal of theirs is delivered, the thread cannot be made to execute anything. */
static const struct row rows[] = {
    /* files */
    {SYS_read, {WN(1, 2)}},
    {SYS_write, {RN(1, 2)}},
    {SYS_pread64, {WN(1, 2)}},
    {SYS_pwrite64, {RN(1, 2)}},
    {SYS_readv, {WV(1, 2)}},
    {SYS_writev, {RV(1, 2)}},
    {SYS_preadv, {WV(1, 2)}},
    {SYS_pwritev, {RV(1, 2)}},
    {SYS_openat, {PATH(1)}},
    {SYS_close, {{0}}},
    {SYS_lseek, {{0}}},
    {SYS_fstat, {W(1, 144)}},
    {SYS_newfstatat, {PATH(1), W(2, 144)}},
    {SYS_statx, {PATH(1), W(4, 256)}},
    {SYS_statfs, {PATH(0), W(1, 120)}},
    {SYS_fstatfs, {W(1, 120)}},
    {SYS_faccessat, {PATH(1)}},
    {SYS_faccessat2, {PATH(1)}},
    {SYS_readlinkat, {PATH(1), WN(2, 3)}},
    {SYS_getdents64, {WN(1, 2)}},
    {SYS_getxattr, {PATH(0), PATH(1), WN(2, 3)}},
    {SYS_lgetxattr, {PATH(0), PATH(1), WN(2, 3)}},
    {SYS_fgetxattr, {PATH(1), WN(2, 3)}},
    {SYS_listxattr, {PATH(0), WN(1, 2)}},
    {SYS_llistxattr, {PATH(0), WN(1, 2)}},
    {SYS_getcwd, {WN(0, 1)}},
    {SYS_unlinkat, {PATH(1)}},
    {SYS_mkdirat, {PATH(1)}},
    {SYS_renameat2, {PATH(1), PATH(3)}},
    {SYS_chdir, {PATH(0)}},
    {SYS_utimensat, {PATH(1), R(2, 32)}},
    {SYS_ftruncate, {{0}}},
    {SYS_fallocate, {{0}}},
    {SYS_fadvise64, {{0}}},
    {SYS_fsync, {{0}}},
    {SYS_fdatasync, {{0}}},
    {SYS_fchmod, {{0}}},
    {SYS_fchown, {{0}}},
    {SYS_flock, {{0}}},
    {SYS_dup, {{0}}},
    {SYS_dup3, {{0}}},
    {SYS_fcntl, {W(2, 32)}},
    {SYS_ioctl, {W(2, 256)}},
    {SYS_pipe2, {W(0, 8)}},
    {SYS_sendfile, {W(2, 8)}},
    {SYS_copy_file_range, {W(1, 8), W(3, 8)}},
    /* waiting */
    {SYS_epoll_ctl, {R(3, 12)}},
    {SYS_futex, {W(0, 4), R(3, 16), W(4, 4)}},
    {SYS_nanosleep, {R(0, 16), W(1, 16)}},
    {SYS_clock_nanosleep, {R(2, 16), W(3, 16)}},
    {SYS_wait4, {W(1, 4), W(3, 144)}},
    {SYS_waitid, {W(2, 128), W(4, 144)}},
    {SYS_sched_yield, {{0}}},
    /* sockets */
    {SYS_socket, {{0}}},
    {SYS_connect, {R(1, 128)}},
    {SYS_accept4, {W(1, 128), W(2, 4)}},
    {SYS_sendto, {RN(1, 2), R(4, 128)}},
    {SYS_recvfrom, {WN(1, 2), W(4, 128), W(5, 4)}},
    {SYS_shutdown, {{0}}},
    /* the process */
    {SYS_set_tid_address, {KEEP(0, 4)}},
    {SYS_set_robust_list, {KEEP(0, 24)}},
#ifdef SYS_rseq
    {SYS_rseq, {KEEP(0, 32)}},
#endif
    {SYS_rt_sigaction, {R(1, 32), W(2, 32)}},
    {SYS_rt_sigprocmask, {R(1, 8), W(2, 8)}},
    {SYS_clock_gettime, {W(1, 16)}},
    {SYS_gettimeofday, {W(0, 16), W(1, 8)}},
    {SYS_getrandom, {WN(0, 1)}},
    {SYS_getrusage, {W(1, 144)}},
    {SYS_prlimit64, {R(2, 16), W(3, 16)}},
    {SYS_sysinfo, {W(0, 112)}},
    {SYS_uname, {W(0, 390)}},
    {SYS_sched_getaffinity, {WN(2, 1)}},
    {SYS_getpid, {{0}}},
    {SYS_gettid, {{0}}},
    {SYS_getppid, {{0}}},
    {SYS_getuid, {{0}}},
    {SYS_geteuid, {{0}}},
    {SYS_getgid, {{0}}},
    {SYS_getegid, {{0}}},
    {SYS_kill, {{0}}},
    {SYS_tgkill, {{0}}},
    {SYS_umask, {{0}}},
    {SYS_exit_group, {{0}}},
    {SYS_madvise, {{0}}},
/* what x86-64 has beside these */
#ifdef SYS_open
    {SYS_open, {PATH(0)}},
    {SYS_stat, {PATH(0), W(1, 144)}},
    {SYS_lstat, {PATH(0), W(1, 144)}},
    {SYS_access, {PATH(0)}},
    {SYS_readlink, {PATH(0), WN(1, 2)}},
    {SYS_unlink, {PATH(0)}},
    {SYS_mkdir, {PATH(0)}},
    {SYS_rmdir, {PATH(0)}},
    {SYS_rename, {PATH(0), PATH(1)}},
    {SYS_poll, {WNX(0, 1, 8)}},
    {SYS_select, {W(1, 128), W(2, 128), W(3, 128), W(4, 16)}},
    {SYS_epoll_wait, {WNX(1, 2, 12)}},
    {SYS_pipe, {W(0, 8)}},
    {SYS_dup2, {{0}}},
    {SYS_alarm, {{0}}},
    {SYS_arch_prctl, {W(1, 8)}},
#endif
};

static const int mapping[] = {SYS_mmap, SYS_munmap, SYS_mprotect, SYS_brk};

static bool add(struct calls_use *use, uint64_t start, uint64_t size, char way)
{
    if (size > SIZE_MOST || use->count == CALLS_RANGES)
        return false;
    if (start != 0 && size != 0)
        use->ranges[use->count++] = (struct calls_range){
            .start = start, .size = size, .writes = way != 'r', .keeps = way == 'k'};
    return true;
}

/* The array of buffers of a readv, and the buffers. */
static bool add_vector(struct calls_use *use, uint64_t start, uint64_t count, char way, int memory)
{
    struct iovec vector[IOVEC_MOST];
    size_t size = count * sizeof(vector[0]);

    if (count > IOVEC_MOST || pread(memory, vector, size, (off_t)start) != (ssize_t)size)
        return false;
    if (!add(use, start, size, 'r'))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!add(use, (uint64_t)(uintptr_t)vector[i].iov_base, vector[i].iov_len, way))
            return false;
    return true;
}

static bool add_use(struct calls_use *use, const struct tracee_call *call, const struct use *what,
                    int memory)
{
    uint64_t start = call->args[what->arg];

    if (what->how == BYTES)
        return add(use, start, what->value, what->way);
    if (what->how == VECTOR)
        return add_vector(use, start, call->args[what->value], what->way, memory);
    return call->args[what->value] <= SIZE_MOST &&
           add(use, start, call->args[what->value] * what->times, what->way);
}

void calls_describe(const struct tracee_call *call, int memory, struct calls_use *use)
{
    use->count = 0;
    use->kind = CALLS_ANY;
    for (size_t i = 0; i < sizeof(mapping) / sizeof(mapping[0]); i++)
        if (mapping[i] == call->number) {
            use->kind = CALLS_MAPS;
            return;
        }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].number != call->number)
            continue;
        for (size_t j = 0; j < USES_MOST && rows[i].uses[j].how != 0; j++)
            if (!add_use(use, call, &rows[i].uses[j], memory))
                return;
        use->kind = CALLS_RANGED;
        return;
    }
}

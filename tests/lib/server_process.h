/* A server (or any program) that a test runs as a real process, with a directory of its own.
 *
 * Whatever happens to the test, nothing stays: the server dies with the test (PR_SET_PDEATHSIG),
 * and a guardian, a shell that waits on a pipe which only the test holds open, removes the
 * directory when the test ends, even by kill -9. No call here uses cmocka asserts or waits for a
 * fixed time.
 *
 *     struct server_process server;
 *     const char *args[] = {"--slots", "64", "--file", NULL, NULL};
 *     char file[SERVER_PATH];
 *
 *     assert_int_equal(server_process_init(&server), 0);
 *     args[3] = server_process_path(&server, "slots", file);
 *     assert_int_equal(server_process_start(&server, TEST_BINDIR "/selfpage-swap", args), 0);
 *     ... connect to server.socket ...
 *     assert_int_equal(server_process_stop(&server), 0);
 *     server_process_fini(&server);
 *
 * A test that fails in the middle leaves the rest to server_process_fini in its teardown, or to its
 * own death. */
#ifndef TEST_SERVER_PROCESS_H
#define TEST_SERVER_PROCESS_H

#include <stddef.h>
#include <sys/types.h>

/* Bytes of a path with its NUL; sun_path cannot take more. */
#define SERVER_PATH 108

/* How long to wait for a process to start, to end, or for a reply, before it counts as a failure:
 * generous, since the machine may be slow and the process under Valgrind. */
#define SERVER_PATIENCE_MS 120000

struct server_process {
    pid_t pid;                   /* 0: not running */
    char directory[SERVER_PATH]; /* private, removed at the end with all that is in it */
    char socket[SERVER_PATH];    /* DIRECTORY/socket, given to the server as --socket */
    int log;                     /* memfd that is the server's stderr; -1: none yet */
    int guard;                   /* closing this makes the guardian remove the directory */
    pid_t guardian;
};

/* Make the directory and its guardian; start nothing. Returns 0 or a negative errno. */
int server_process_init(struct server_process *server);

/* The path of `name` inside the directory, written to `path` (SERVER_PATH bytes), and returned. */
char *server_process_path(const struct server_process *server, const char *name, char *path);

/* Start `program` with "--socket SOCKET --ready-fd FD" and then `args` (ends with NULL; may be
 * NULL) and wait until it says on FD that it listens. Its log so far is kept, and added to. Returns
 * 0, or -ECHILD if it ended instead (see server_process_wait and the log), or another negative
 * errno. */
int server_process_start(struct server_process *server, const char *program,
                         const char *const args[]);

/* The same for a program that serves nobody, but uses the server whose socket is given behind
 * `option`, and is ready some time. */
int server_process_start_for(struct server_process *server, const char *program, const char *option,
                             const char *socket, const char *const args[]);

/* Start `program` with exactly `args` and wait for nothing. Returns 0 or a negative errno. */
int server_process_spawn(struct server_process *server, const char *program,
                         const char *const args[]);

/* Limit a resource in processes that are started from now on by this test program: RLIMIT_FSIZE
 * and the like, soft and hard. RLIM_INFINITY takes the limit back. */
void server_process_limit(int resource, unsigned long value);

/* Wait until the process has ended. Returns its exit status, 128 + the signal that killed it, or
 * -ETIMEDOUT (it is then killed and reaped). -ESRCH if none runs. */
int server_process_wait(struct server_process *server);

/* SIGTERM, then server_process_wait. */
int server_process_stop(struct server_process *server);

/* SIGKILL, then reap. The directory stays, so that a server can be started again in it. */
void server_process_kill(struct server_process *server);

/* What the server has written to stderr so far, NUL-terminated, for free(); NULL without memory. */
char *server_process_log(const struct server_process *server);

/* Kill and reap what runs, and remove the directory. Safe to call twice. */
void server_process_fini(struct server_process *server);

#endif

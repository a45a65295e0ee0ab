/* Selfpage: a fixture for tests: physmem and swap as real processes, for one test, in milliseconds; or the
 * same test in virtual time, without a process, in one.
 *
 * Made for CMocka, but without need of it: the two functions for its set-up and tear-down have the types
 * that it wants.
 *
 *   static int touch(void *arg)                       // runs in a process of its own
 *   {
 *       struct sp_task *task;
 *       char *memory;
 *
 *       if (sp_attach(&task, NULL, NULL) != 0 ||
 *           sp_region_create(task, &(struct sp_region_options){.pages = 100}, (void **)&memory,
 *                            NULL) != 0)
 *           return 1;
 *       memory[5] = 'x';
 *       return sp_detach(&task);
 *   }
 *
 *   static void test_touch(void **state)
 *   {
 *       struct sp_testing_result result;
 *       struct sp_error error;
 *
 *       if (sp_testing_run(*state, "guaranteed=16", "clock", touch, NULL, &result, &error) != 0)
 *           fail_msg("%s", error.text);
 *       assert_int_equal(result.exit_status, 0);
 *       assert_int_equal(result.stats.faults, 1);
 *   }
 *
 *   int main(void)
 *   {
 *       const struct CMUnitTest tests[] = {
 *           cmocka_unit_test_setup_teardown(test_touch, sp_testing_setup, sp_testing_teardown),
 *       };
 *
 *       return cmocka_run_group_tests(tests, NULL, NULL);
 *   }
 *
 * A TASK IS A PROCESS OF ITS OWN. CMocka replaces the handlers of SIGSEGV and SIGBUS around every
 * test, and a process can be a task only once, so a test never attaches itself: it hands a function
 * to sp_testing_run, which calls it in a forked child, or names a program to
 * sp_testing_run_program. Use no assertion of CMocka in that function (it would jump into a copy of
 * the test runner): return a number, or print to standard error, which comes back in the result.
 *
 * LIVE AND IN A WORLD. A test whose tasks are workloads runs with real processes, or in a world in virtual time
 * (selfpage/world.h), with the same calls: sp_testing_begin_load and sp_testing_run_load begin tasks,
 * sp_testing_expect and sp_testing_await look at counters by their names.
 * sp_testing_options.where says which it is, or else the environment variable SELFPAGE_TESTING, "live" or
 * "world":
 *
 *   static void test_two_share(void **state)
 *   {
 *       struct sp_testing_task *task[2];
 *       struct sp_error error;
 *
 *       for (int i = 0; i < 2; i++)
 *           if (sp_testing_begin_load(*state, i == 0 ? "a" : "b", "guaranteed=10;extra=90", "clock",
 *                                     "pages=80;zipf=0.9,writes=0.2,references=5000", &task[i], &error) != 0)
 *               fail_msg("%s", error.text);
 *       for (int i = 0; i < 2; i++)
 *           sp_testing_wait(&task[i], NULL);
 *       if (sp_testing_expect(*state, "a.faults < 3000", &error) != 1)
 *           fail_msg("%s", error.text);
 *   }
 *
 * In a world, time passes only while sp_testing_wait and sp_testing_await wait; two runs are the same, and what
 * needs a process (a function or a program as a task, a server that is killed, a log) returns -ENOTSUP, 0 or NULL.
 *
 * NOTHING IS LEFT BEHIND. Servers and tasks die with the test, however it ends, kill -9 included, and
 * so does what a task has started (told by SELFPAGE_GUARDIAN in its environment). A
 * small guardian process, forked by sp_testing_start, sees the end of the test and removes the
 * private directory with the sockets and the swap file. Fixtures are independent of each other: any
 * number may run at the same time, also in one process.
 *
 * NOTHING FIXED IS WAITED FOR. Servers say when they listen. The timeouts below are only there for
 * what goes wrong, and are long enough for Valgrind on a loaded machine.
 *
 * THREADS. One fixture is used by one thread at a time. Children are killed when the thread that
 * started them ends (Linux ties this to the thread): start from a thread that outlives the test.
 * The functions wait for their own children only; they do not work while SIGCHLD is ignored.
 *
 * OTHER FRAMEWORKS. sp_testing_start and sp_testing_stop are all that the set-up and tear-down of a test need:
 * the template of a project (share/selfpage-template) has a test for Check, for Criterion and for
 * GoogleTest. sp_testing_said is the message for a test that fails.
 *
 * LINKING. CMake: selfpage::testing, and selfpage::selfpage or selfpage::static for the functions
 * that run as tasks. pkg-config: selfpage-testing, which brings selfpage along.
 *
 * VALGRIND. Run the test with --trace-children=yes and --px-default=allregs-at-each-insn: without
 * the latter Valgrind resumes after a page fault with stale registers, and the task crashes. */
#ifndef SELFPAGE_TESTING_H
#define SELFPAGE_TESTING_H

#include <stdint.h>
#include <sys/types.h>

#include <selfpage/error.h>
#include <selfpage/counters.h>
#include <selfpage/stats.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A private physmem and swap. */
struct sp_testing;

/** A task that was started and not yet waited for. */
struct sp_testing_task;

/** Value of sp_testing_options.swap_slots for a fixture without swap. */
#define SP_TESTING_NO_SWAP UINT32_MAX

/** Where the tasks of a fixture run. */
enum sp_testing_where {
    SP_TESTING_AS_SAID =
        0,               /**< as the environment variable SELFPAGE_TESTING says; without it: live */
    SP_TESTING_LIVE = 1, /**< real processes */
    SP_TESTING_WORLD = 2, /**< a world in virtual time */
};

/** How to start. Zero or NULL in any field means the default in brackets. */
struct sp_testing_options {
    uint32_t physmem_frames; /**< frames that physmem has [1024: 4 MiB] */
    uint32_t swap_slots;     /**< pages that swap has [4096: 16 MiB]; SP_TESTING_NO_SWAP: no swap */
    double chaos_unmap;      /**< physmem unmaps pages at random, this many times a second [0] */
    uint64_t seed;           /**< of physmem's randomness, and SELFPAGE_SEED of the tasks [1] */
    const char *const *physmem_args; /**< more arguments for selfpage-physmem, NULL-terminated */
    /** More arguments for selfpage-swap, NULL-terminated. Unless they say --direct, swap writes to
     *  the page cache, which is many times faster and, for a test, the same. */
    const char *const *swap_args;
    /** Directory of selfpage-physmem and selfpage-swap [the environment variable SELFPAGE_BINDIR,
     *  else, in a program built with the CMake package, the bin of its prefix, else the directory of this
     *  program, else those of PATH, else the bin of CMAKE_INSTALL_PREFIX as it was when Selfpage was
     *  configured] */
    const char *bindir;
    uint32_t timeout_ms; /**< longest wait for a server to start, to end, or to answer, and for a
                          *   task to end [120,000]. In a world: of virtual time */
    enum sp_testing_where where; /**< with real processes or in a world [SP_TESTING_AS_SAID] */
    const char *arbiter;         /**< NAME[:PARAMS] or ./FILE.so[:PARAMS] [physmem's default] */
};

/** Start physmem and swap in a private directory (below $XDG_RUNTIME_DIR, else $TMPDIR, else /tmp;
 *  one that is missing, or so long that a socket in it could have no name, is passed over)
 *  and return as soon as both listen.
 *  \param fixturep  set on success; released by sp_testing_stop
 *  \param options   NULL for all defaults; not needed after the call
 *  \param error     may be NULL
 *  \retval 0
 *  \retval -ENOENT        a server's program was not found; error names the places searched
 *  \retval -ECHILD        a server ended while starting; error has its own message
 *  \retval -ETIMEDOUT     a server did not say in time that it listens
 *  \retval -EINVAL        options out of range, SELFPAGE_TESTING is neither "live" nor "world", or (in a world) the
 *                         arbiter cannot be used
 *  \retval -ENOTSUP       arguments of servers were given for a world
 *  Other errno values come from the system call named in `error`. On failure nothing is left. */
SP_EXPORT int sp_testing_start(struct sp_testing **fixturep,
                               const struct sp_testing_options *options, struct sp_error *error);

/** End what is still running (tasks at once, servers by SIGTERM, later SIGKILL), remove the private
 *  directory, free the fixture; *fixturep becomes NULL. NULL or a pointer to NULL does nothing.
 *  \param error  may be NULL
 *  \retval 0
 *  \retval -ECHILD  all is ended and removed, but a server had died unasked, did not end by itself,
 *                   or ended with an exit status other than 0 (as under Valgrind after an error) */
SP_EXPORT int sp_testing_stop(struct sp_testing **fixturep, struct sp_error *error);

/** sp_testing_start as a CMocka fixture: *state becomes the struct sp_testing *. On entry *state
 * may point to a struct sp_testing_options (cmocka_unit_test_prestate_setup_teardown), else is
 * NULL. What goes wrong is printed on standard error. \retval 0 \retval -1 */
SP_EXPORT int sp_testing_setup(void **state);

/** sp_testing_stop as a CMocka fixture. \retval 0 \retval -1 as sp_testing_stop's -ECHILD */
SP_EXPORT int sp_testing_teardown(void **state);

/** The private directory (NULL in a world): absolute, and removed at the end with whatever is in it. A test may put
 *  files there. Valid until sp_testing_stop. */
SP_EXPORT const char *sp_testing_directory(const struct sp_testing *fixture);

/** The two servers. */
enum sp_testing_server {
    SP_TESTING_PHYSMEM = 0,
    SP_TESTING_SWAP = 1,
    SP_TESTING_SERVERS = 2,
};

/** The path of a server's socket, also when it is not running. Valid until sp_testing_stop; NULL
 * for the swap of a fixture without one, and in a world. */
SP_EXPORT const char *sp_testing_socket(const struct sp_testing *fixture,
                                        enum sp_testing_server server);

/** The process id of a server, or 0 if it is not running (or died and was noticed). */
SP_EXPORT pid_t sp_testing_pid(const struct sp_testing *fixture, enum sp_testing_server server);

/** Kill a server with SIGKILL and wait until it is gone. sp_testing_stop does not complain of it.
 *  \retval 0 \retval -ESRCH it is not running \retval -ENOTSUP in a world */
SP_EXPORT int sp_testing_kill(struct sp_testing *fixture, enum sp_testing_server server);

/** Ask a server to end (SIGTERM) and wait for it.
 *  \return its exit status (0 is good, 128 + n if signal n ended it), -ESRCH if it is not running,
 *  -ETIMEDOUT if it did not end: it is running still, -ENOTSUP in a world */
SP_EXPORT int sp_testing_end(struct sp_testing *fixture, enum sp_testing_server server);

/** Start a server again that was killed or has ended, at the same socket and with the same swap file.
 *  \param args  more arguments this time, NULL-terminated, or NULL; those of the options are given
 *               as well
 *  \retval 0 \retval -EBUSY it is running \retval -ENOTSUP in a world \retval other values as sp_testing_start */
SP_EXPORT int sp_testing_restart(struct sp_testing *fixture, enum sp_testing_server server,
                                 const char *const *args, struct sp_error *error);

/** What a server has written to standard error since it was first started.
 *  \param buffer  filled with the last size - 1 bytes of it, and NUL-terminated
 *  \param size    at least 1
 *  \return the number of bytes put into the buffer without the NUL */
SP_EXPORT size_t sp_testing_log(const struct sp_testing *fixture, enum sp_testing_server server,
                                char *buffer, size_t size);

/** What everybody has said on standard error, for the message of a test that fails: the servers, tasks that were
 *  waited for (of these, the last), and tasks that run, each under its name. About 4 KiB of each.
 *  \return a text, which lasts until this is called again, or sp_testing_stop is */
SP_EXPORT const char *sp_testing_said(struct sp_testing *fixture);

/** How a task ended. */
struct sp_testing_result {
    int exit_status; /**< what it returned or exited with (0 to 255); 128 + signal if killed */
    int signal;      /**< the signal that ended it, or 0 */
    int timed_out;   /**< 1: it was killed (SIGKILL) since it had not ended in time */
    /** The library's counters as they last were; zeros if it never attached. */
    struct sp_stats stats;
    /** The end of what it wrote to standard error, NUL-terminated. If that is nothing, and SIGSEGV or SIGBUS ended it,
     *  a line that says what the causes may be. */
    char output[4096];
};

/** Call a function in a forked child that is set up as a task (see sp_testing_environment), and
 * wait for it. The child must attach with sp_attach(&task, NULL, &error); its exit status is what
 * the function returns. Standard error is collected in the result, and copied to this process's
 *  standard error if the exit status is not 0; standard output is shared.
 *  \param contract  for SELFPAGE_CONTRACT, as in struct sp_attach_options
 *  \param policy    for SELFPAGE_POLICY; NULL: the default
 *  \param arg       passed to the function; memory is a copy, changes do not come back
 *  \param result    filled on return 0
 *  \retval 0   the task ended, in whatever way, or was killed at its timeout: see the result
 *  \retval <0  it could not be started; error says why. -ENOTSUP in a world */
SP_EXPORT int sp_testing_run(struct sp_testing *fixture, const char *contract, const char *policy,
                             int (*function)(void *arg), void *arg,
                             struct sp_testing_result *result, struct sp_error *error);

/** The same for a program.
 *  \param argv  the program, a path or the name of a file in the servers' directory
 * ("selfpage-sort"), and its arguments, NULL-terminated */
SP_EXPORT int sp_testing_run_program(struct sp_testing *fixture, const char *contract,
                                     const char *policy, const char *const *argv,
                                     struct sp_testing_result *result, struct sp_error *error);

/** Like sp_testing_run, but return while the task runs, so that several can run at a time.
 *  \param name   SELFPAGE_NAME; NULL: "task-1", "task-2" ...
 *  \param taskp  set on return 0; released by sp_testing_wait, or by sp_testing_stop */
SP_EXPORT int sp_testing_begin(struct sp_testing *fixture, const char *name, const char *contract,
                               const char *policy, int (*function)(void *arg), void *arg,
                               struct sp_testing_task **taskp, struct sp_error *error);

/** The same for a program. */
SP_EXPORT int sp_testing_begin_program(struct sp_testing *fixture, const char *name,
                                       const char *contract, const char *policy,
                                       const char *const *argv, struct sp_testing_task **taskp,
                                       struct sp_error *error);

/** Begin a task that makes the references of a workload: live it is selfpage-load. Works in a world, too.
 *  \param name      may be NULL, as in sp_testing_begin; in a world it is of letters, digits and _, and of no other
 *                   task of the fixture. Unnamed tasks are task_1, task_2 ... for sp_testing_expect
 *  \param workload  as text: see sp_world_task.workload in selfpage/world.h
 *  \param taskp     set on return 0; released by sp_testing_wait, or by sp_testing_stop
 *  \retval 0   it has begun. Live, a workload that cannot be read ends it with exit status 2
 *  \retval <0  it could not be started; error says why. In a world: what sp_world_add returns */
SP_EXPORT int sp_testing_begin_load(struct sp_testing *fixture, const char *name,
                                    const char *contract, const char *policy, const char *workload,
                                    struct sp_testing_task **taskp, struct sp_error *error);

/** The same, and wait for it. \param result filled on return 0; may be NULL */
SP_EXPORT int sp_testing_run_load(struct sp_testing *fixture, const char *name,
                                  const char *contract, const char *policy, const char *workload,
                                  struct sp_testing_result *result, struct sp_error *error);

/** Whether an expectation holds now, in the language of scenarios: "a.faults < 1000",
 *  "physmem.recalls_met == a.recalls_met". Names of objects are physmem, swap, and tasks that the fixture has
 *  begun, also ended ones.
 *  \retval 1       it holds
 *  \retval 0       it does not; the error says what was found
 *  \retval -EINVAL it cannot be read, or names what there is not, or a server that does not answer; the error says
 *                  where */
SP_EXPORT int sp_testing_expect(struct sp_testing *fixture, const char *expectation,
                                struct sp_error *error);

/** Wait until an expectation holds: for what a task does while it runs. Live, it is looked at every few
 *  milliseconds; in a world after each event.
 *  \retval 0          it holds
 *  \retval -ETIMEDOUT it did not within timeout_ms, or (in a world) all tasks have ended; the error says what was
 *                     found last
 *  \retval -EINVAL    it cannot be read, or names what there is not
 *  \retval -ENOTRECOVERABLE in a world: a rule of the system is broken; the error says which */
SP_EXPORT int sp_testing_await(struct sp_testing *fixture, const char *expectation,
                               struct sp_error *error);

/** \retval 1 the fixture is a world \retval 0 it has real processes */
SP_EXPORT int sp_testing_in_world(const struct sp_testing *fixture);

/** The process id of a task that has not been waited for; 0 in a world. */
SP_EXPORT pid_t sp_testing_task_pid(const struct sp_testing_task *task);

/** Whether a task has ended, without waiting; sp_testing_wait is still needed. For a test that waits
 *  until its task has done something: the task may end first.
 *  \retval 0 it is running \retval 1 it has ended */
SP_EXPORT int sp_testing_task_ended(const struct sp_testing_task *task);

/** The counters of a task now, running or ended. */
SP_EXPORT void sp_testing_task_stats(const struct sp_testing_task *task, struct sp_stats *stats);

/** Wait for a task and free it; *taskp becomes NULL. \param result may be NULL */
SP_EXPORT void sp_testing_wait(struct sp_testing_task **taskp, struct sp_testing_result *result);

/** The environment for a task that the test starts by other means: this process's own, with
 *  SELFPAGE_NAME, SELFPAGE_PHYSMEM, SELFPAGE_SWAP, SELFPAGE_CONTRACT, SELFPAGE_POLICY,
 * SELFPAGE_SEED and SELFPAGE_BINDIR set. \param name, contract, policy  NULL: that variable is not
 * in the environment \return a NULL-terminated array, one block for free(3), or NULL when there is
 * no memory */
SP_EXPORT char **sp_testing_environment(const struct sp_testing *fixture, const char *name,
                                        const char *contract, const char *policy);

/** Physmem's counters at one moment; SP_PHYSMEM_STATUS has their units and meanings. */
struct sp_testing_physmem {
    SP_PHYSMEM_STATUS(SP_COUNTER_FIELD, SP_STATE_FIELD)
};

/** Swap's counters at one moment; SP_SWAP_STATUS has their units and meanings. */
struct sp_testing_swap {
    SP_SWAP_STATUS(SP_COUNTER_FIELD, SP_STATE_FIELD)
};

/** What physmem knows of one task at one moment; SP_TASK_STATUS has units and meanings. */
struct sp_testing_task_status {
    SP_TASK_STATUS(SP_COUNTER_FIELD, SP_STATE_FIELD)
};

/** Ask physmem for its counters.
 *  \retval 0 \retval -EPIPE it is gone \retval -ETIMEDOUT it does not answer */
SP_EXPORT int sp_testing_physmem_status(struct sp_testing *fixture,
                                        struct sp_testing_physmem *status, struct sp_error *error);

/** Ask physmem about a task by its name, the latest of that name; the dead ones are remembered.
 *  \retval 0 \retval -ENOENT there was none of that name \retval other values as above */
SP_EXPORT int sp_testing_task_status(struct sp_testing *fixture, const char *name,
                                     struct sp_testing_task_status *status, struct sp_error *error);

/** Ask swap for its counters. Same returns as sp_testing_physmem_status; -ENOENT without swap. */
SP_EXPORT int sp_testing_swap_status(struct sp_testing *fixture, struct sp_testing_swap *status,
                                     struct sp_error *error);

/** Have physmem recall frames from a task by its name. Returns when physmem has sent the recall,
 * not when it is met. \retval 0 \retval -ENOENT no such task \retval -EINVAL zero frames, or more
 * than may be recalled \retval other values as above */
SP_EXPORT int sp_testing_recall(struct sp_testing *fixture, const char *name, uint32_t frames,
                                struct sp_error *error);

/* The CMake package says where its programs are: sp_testing_start looks there if neither its options nor
 * the environment name a directory. */
#ifdef SELFPAGE_TESTING_BINDIR
extern const char *sp_testing_package_bindir;
__attribute__((weak)) const char *sp_testing_package_bindir = SELFPAGE_TESTING_BINDIR;
#endif

#ifdef __cplusplus
}
#endif
#endif

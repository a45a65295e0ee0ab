/* The arbitration policies that come with Selfpage.
 *
 * HOW DO I ADD AN ARBITER? One file in this folder that defines `const struct sp_arbiter arbiter_NAME`
 * (include/selfpage/arbiter.h has the interface, and a complete arbiter of forty lines), and one line
 * below. fcfs.c is the shortest; maxmin.c shows how level.h does most of the work. A test expects that
 * of two tasks that want everything each gets half; an arbiter that is not meant to do so is named in
 * test_the_hoarder of tests/arbiter/known_answers_test.c, where the reason belongs. */
#ifndef ARBITER_REGISTRY_H
#define ARBITER_REGISTRY_H

#include <selfpage/arbiter.h>
#include <selfpage/error.h>

#include "base/params.h"

/* X(NAME), where NAME is the arbiter's name, too: in the order in which users see them. */
#define ARBITER_BUILTINS(X)                                                                        \
    X(fcfs)                                                                                        \
    X(excess)                                                                                      \
    X(maxmin)                                                                                      \
    X(esx)                                                                                         \
    X(viengoos)                                                                                    \
    X(karma)                                                                                       \
    X(market)                                                                                      \
    X(auction)                                                                                     \
    X(cliffhanger)                                                                                 \
    X(midas)

#define ARBITER_DECLARE(name) extern const struct sp_arbiter arbiter_##name;
ARBITER_BUILTINS(ARBITER_DECLARE)
#undef ARBITER_DECLARE

/* The i-th built-in arbiter, or NULL past the last. */
const struct sp_arbiter *arbiter_registry_builtin(size_t i);

/* The built-in arbiter whose name is the first `length` bytes of `name`, or NULL. */
const struct sp_arbiter *arbiter_registry_find(const char *name, size_t length);

/* An arbiter and the values to start it with. */
struct arbiter_choice {
    const struct sp_arbiter *arbiter;
    double params[PARAMS_MAX]; /* in the order of arbiter->params; 0 beyond them */
};

/* See that an arbiter from outside can be used, and start from its presets, changed by `params`
 * ("tax=0.5", may be NULL or empty). Returns 0, -EPROTO (another version of the interface),
 * -EINVAL, -ENOENT (no such parameter) or -ERANGE. */
int arbiter_registry_choose_plugin(struct arbiter_choice *choice, const struct sp_arbiter *arbiter,
                                   const char *params, struct sp_error *error);

/* Choose a built-in arbiter by `text`, NAME[:PARAMS]. Same errors. */
int arbiter_registry_choose(struct arbiter_choice *choice, const char *text,
                            struct sp_error *error);

#endif

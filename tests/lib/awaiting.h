/* Waiting until something holds that a running task brings about. A wait ends with the task's output
 * if the task ends first, and with the condition's text if it takes far too long; a test never hangs
 * without a word.
 *
 *   AWAIT(task, awaiting_held(task) >= 100);
 *
 * For tests of CMocka; not for functions that run as tasks, which the fixture's timeout ends. */
#ifndef TESTS_LIB_AWAITING_H
#define TESTS_LIB_AWAITING_H

#include <selfpage/testing.h>

struct awaiting {
    struct sp_testing_task *task;
    const char *what;
    unsigned pauses;
};

/* Pause between two looks at a condition; fails the test if there is no more hope. */
void awaiting_pause(struct awaiting *awaiting);

/* How many frames a task holds, and how many of its pages are resident. */
uint64_t awaiting_held(const struct sp_testing_task *task);
uint64_t awaiting_resident(const struct sp_testing_task *task);

#define AWAIT(awaited, condition)                                                                  \
    for (struct awaiting awaiting = {(awaited), #condition, 0}; !(condition);)                     \
    awaiting_pause(&awaiting)

#endif

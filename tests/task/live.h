/* Helpers for functions that run as tasks, in children of the test. They end the child with a
 * message instead of asserting: see selfpage/testing.h. */
#ifndef TESTS_TASK_LIVE_H
#define TESTS_TASK_LIVE_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <selfpage/selfpage.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static inline struct sp_task *attach_or_exit(const struct sp_attach_options *options)
{
    struct sp_task *task;
    struct sp_error error = {0};

    if (sp_attach(&task, options, &error) != 0) {
        fprintf(stderr, "attach: %s\n", error.text);
        exit(1);
    }
    return task;
}

static inline void *region_or_exit(struct sp_task *task, const struct sp_region_options *options)
{
    struct sp_error error = {0};
    void *base;

    if (sp_region_create(task, options, &base, &error) != 0) {
        fprintf(stderr, "region: %s\n", error.text);
        exit(1);
    }
    return base;
}

#endif

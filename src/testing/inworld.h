/* A fixture that is a world in virtual time: its functions, for the others to hand over to. */
#ifndef TESTING_INWORLD_H
#define TESTING_INWORLD_H

#include "testing/fixture.h"

/* Whether options and environment ask for a world: 1, 0, or a negative errno and an error. */
int inworld_wanted(const struct sp_testing_options *options, struct sp_error *error);

int inworld_start(struct sp_testing *fixture, const struct sp_testing_options *options,
                  struct sp_error *error);

int inworld_begin(struct sp_testing *fixture, const char *name, const char *contract,
                  const char *policy, const char *workload, struct sp_testing_task **taskp,
                  struct sp_error *error);

/* Let time pass until the task has ended, or its time is over. */
void inworld_wait(const struct sp_testing_task *task, struct sp_testing_result *result);

/* Let time pass until an expectation holds; as sp_testing_await. */
int inworld_await(struct sp_testing *fixture, const char *expectation, struct sp_error *error);

/* As the functions of selfpage/testing.h. */
int inworld_physmem(struct sp_testing *fixture, struct sp_testing_physmem *status,
                    struct sp_error *error);
int inworld_swap(struct sp_testing *fixture, struct sp_testing_swap *status,
                 struct sp_error *error);
int inworld_task(struct sp_testing *fixture, const char *name,
                 struct sp_testing_task_status *status, struct sp_error *error);
int inworld_recall(struct sp_testing *fixture, const char *name, uint32_t frames,
                   struct sp_error *error);

#endif

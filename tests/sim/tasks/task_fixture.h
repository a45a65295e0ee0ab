/* For tests that run the example tasks against real servers. */
#ifndef TASK_FIXTURE_H
#define TASK_FIXTURE_H

#include <stddef.h>

#include <selfpage/testing.h>

/* Options for sp_testing_setup: servers of this build; physmem leaves mappings alone, or takes some
 * away at random, thousands a second. */
extern struct sp_testing_options calm, chaotic;

/* A path in the fixture's private directory. Valid until the fourth call after this. */
const char *private_path(const struct sp_testing *fixture, const char *name);

/* A new file of `size` bytes in the private directory; returns its path, as above. */
const char *private_file(const struct sp_testing *fixture, const char *name, const void *bytes,
                         size_t size);

/* `size` bytes of text: lines of words of varying length, drawn from a seed. To be freed. */
char *some_text(size_t size, uint64_t seed);

/* Fails the test if the two files differ. */
void assert_same_file(const char *a, const char *b);

/* Run a program as a task; fails the test, showing what it wrote, if its status is another. */
struct sp_testing_result run_task(struct sp_testing *fixture, const char *contract,
                                  const char *policy, const char *const *argv, int exit_status);

#endif

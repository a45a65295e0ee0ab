/* A scenario with other values in it. */
#ifndef SELFPAGE_SCENARIO_VARY_H
#define SELFPAGE_SCENARIO_VARY_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/error.h>

#include "launch/strings.h"
#include "selfpage/scenario/scenario.h"

#define VARY_MAX 8u

/* KEY=VALUE,VALUE ...: texts of the command line. */
struct vary {
    const char *key[VARY_MAX];
    uint32_t key_length[VARY_MAX];
    const char *values[VARY_MAX];
    uint32_t count;
    bool whole; /* a value is all behind the "=", commas too */
};

/* Add one. Returns 0 or -EINVAL, with an error that says what it should be. */
int vary_add(struct vary *vary, const char *text, struct sp_error *error);

/* How many combinations there are; 1 if nothing varies. */
uint64_t vary_combinations(const struct vary *vary);

/* Whether at most one key has another value than its first: these combinations together have each value once. */
bool vary_is_single(const struct vary *vary, uint64_t combination);

/* Definitions of the combination with this number, behind those that are there already: those of keys that are
 * names in capital letters. Returns 0 or -ENOMEM. */
int vary_define(const struct vary *vary, uint64_t combination, struct strings *definitions);

/* Put the other values into a scenario. Texts that are replaced are freed. Returns 0 or a negative errno, with an
 * error. */
int vary_apply(const struct vary *vary, uint64_t combination, struct scenario *scenario,
               struct sp_error *error);

/* Add "OPTION=KEY=VALUE" for each key of a combination. Returns 0 or -ENOMEM. */
int vary_arguments(const struct vary *vary, uint64_t combination, const char *option,
                   struct strings *arguments);

/* "arbiter=karma frames=500", in `text`. */
void vary_describe(const struct vary *vary, uint64_t combination, char *text, size_t size);

#endif

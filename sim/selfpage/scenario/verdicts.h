/* Verdicts for programs that show the results of tests: JUnit XML and TAP. One case for each expectation. */
#ifndef SELFPAGE_SCENARIO_VERDICTS_H
#define SELFPAGE_SCENARIO_VERDICTS_H

#include <stdbool.h>
#include <stddef.h>

#include <selfpage/error.h>

#include "selfpage/scenario/outcome.h"

/* One case. */
struct verdict_case {
    char *suite, *text;
    char *why;  /* NULL: it passed */
    bool error; /* it could not be run at all */
};

struct verdicts {
    struct verdict_case *verdict;
    size_t count;
    bool failed; /* there was no memory */
};

/* Add a case; `why` says why it did not pass, NULL: it passed. Texts are copied. */
void verdicts_add(struct verdicts *verdicts, const char *suite, const char *text, bool passed,
                  const char *why);

/* Add a case for a suite that could not be run: an error in JUnit, "Bail out!" in TAP. */
void verdicts_add_error(struct verdicts *verdicts, const char *suite, const char *why);

/* Add a case for each expectation of an outcome. */
void verdicts_add_outcome(struct verdicts *verdicts, const char *suite,
                          const struct outcome *outcome);

/* See before anything runs that `junit` can be written (NULL: none is wanted). Nothing is left of it. Returns 0 or a
 * negative errno, with an error. */
int verdicts_check(const char *junit, struct sp_error *error);

/* Write them: `junit` is the path of an XML file (NULL: none); `tap`: lines on standard output. Returns 0 or a
 * negative errno, with an error. */
int verdicts_write(const struct verdicts *verdicts, const char *junit, bool tap,
                   struct sp_error *error);

void verdicts_fini(struct verdicts *verdicts);

#endif

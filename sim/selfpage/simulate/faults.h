/* Faults of a scenario. */
#ifndef SELFPAGE_SIMULATE_FAULTS_H
#define SELFPAGE_SIMULATE_FAULTS_H

#include <stdio.h>

#include <selfpage/error.h>

#include "selfpage/scenario/scenario.h"

/* The kinds that a scenario names (bits of enum storm_kind); without any those that the seed draws; 0 if there
 * are no faults. */
uint32_t faults_kinds(const struct scenario *scenario, uint64_t seed);

/* See that all names are of faults. Returns 0 or -EINVAL. */
int faults_check(const struct scenario *scenario, struct sp_error *error);

/* The names of kinds: as many as there are bits, in `names`. Returns how many. */
uint32_t faults_names(uint32_t kinds, char **names);

/* The list of them, for a help. */
void faults_help(FILE *out);

#endif

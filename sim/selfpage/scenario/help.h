/* The text of `selfpage run --help`: the reference of the scenario format. */
#ifndef SELFPAGE_SCENARIO_HELP_H
#define SELFPAGE_SCENARIO_HELP_H

#include <stdio.h>

void help_print(FILE *out);

#endif

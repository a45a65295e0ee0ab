/* Running the program whose faults are asked for. */
#ifndef SELFPAGE_FAULTS_PROGRAM_H
#define SELFPAGE_FAULTS_PROGRAM_H

#include <selfpage/error.h>

#include "selfpage/faults/options.h"

/* Run the program to its end, with servers of its own if the options say it; its tables come into `directory`.
 * 0, and *statusp is its exit status (128 + the signal's number if one ended it); or a negative errno and an
 * error: it could not be started. SIGINT and SIGQUIT, which a terminal sends to both, end the program alone. */
int program_run(const struct faults_options *options, const char *directory, int *statusp,
                struct sp_error *error);

#endif

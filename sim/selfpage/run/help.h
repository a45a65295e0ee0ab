/* The text of `selfpage run --help`: the reference of the scenario format. */
#ifndef SELFPAGE_RUN_HELP_H
#define SELFPAGE_RUN_HELP_H

extern const char run_help[];

#endif

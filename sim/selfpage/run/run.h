/* `selfpage run`. */
#ifndef SELFPAGE_RUN_RUN_H
#define SELFPAGE_RUN_RUN_H

/* `selfpage run ...`; argv[0] is "run". Returns the exit status. */
int run_command(int argc, char **argv);

#endif

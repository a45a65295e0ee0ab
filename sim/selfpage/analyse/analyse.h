/* `selfpage analyse`. */
#ifndef SELFPAGE_ANALYSE_ANALYSE_H
#define SELFPAGE_ANALYSE_ANALYSE_H

/* Run the command; argv[0] is its name. Returns the exit status. */
int analyse_command(int argc, char **argv);

#endif

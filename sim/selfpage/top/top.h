/* `selfpage top`. */
#ifndef SELFPAGE_TOP_TOP_H
#define SELFPAGE_TOP_TOP_H

/* `selfpage top ...`; argv[0] is "top". Returns the exit status. */
int top_command(int argc, char **argv);

#endif

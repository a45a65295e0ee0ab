/* `selfpage record`. */
#ifndef SELFPAGE_RECORD_RECORD_H
#define SELFPAGE_RECORD_RECORD_H

/* Run the command; argv[0] is its name. Returns the exit status. */
int record_command(int argc, char **argv);

#endif

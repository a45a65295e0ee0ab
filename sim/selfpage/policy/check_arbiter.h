/* `selfpage check-arbiter`. */
#ifndef SELFPAGE_POLICY_CHECK_ARBITER_H
#define SELFPAGE_POLICY_CHECK_ARBITER_H

/* Run the command; argv[0] is "check-arbiter". Returns the exit status. */
int check_arbiter_command(int argc, char **argv);

#endif

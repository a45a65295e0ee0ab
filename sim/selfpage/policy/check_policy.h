/* `selfpage check-policy`. */
#ifndef SELFPAGE_POLICY_CHECK_POLICY_H
#define SELFPAGE_POLICY_CHECK_POLICY_H

/* Run the command; argv[0] is "check-policy". Returns the exit status. */
int check_policy_command(int argc, char **argv);

#endif

/* `selfpage new-policy`. */
#ifndef SELFPAGE_POLICY_NEW_POLICY_H
#define SELFPAGE_POLICY_NEW_POLICY_H

/* Run the command; argv[0] is "new-policy". Returns the exit status. */
int new_policy_command(int argc, char **argv);

/* The files of skeleton/, embedded by the build, where @NAME@ and @IDENT@ stand for the policy's
 * name, and for it as an identifier of C. */
extern const char skeleton_policy[];
extern const char skeleton_cmake[];

#endif

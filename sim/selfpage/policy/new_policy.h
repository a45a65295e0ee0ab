/* `selfpage new-policy` and `selfpage new-arbiter`. */
#ifndef SELFPAGE_POLICY_NEW_POLICY_H
#define SELFPAGE_POLICY_NEW_POLICY_H

/* Run the command; argv[0] is "new-policy". Returns the exit status. */
int new_policy_command(int argc, char **argv);

/* The same; argv[0] is "new-arbiter". */
int new_policy_arbiter_command(int argc, char **argv);

/* The files of skeleton/, embedded by the build, where @NAME@ and @IDENT@ stand for the name of
 * what is new, and for it as an identifier of C. */
extern const char skeleton_policy[];
extern const char skeleton_cmake[];
extern const char skeleton_scenario[];
extern const char skeleton_curve[];
extern const char skeleton_arbiter[];
extern const char skeleton_arbiter_cmake[];
extern const char skeleton_arbiter_scenario[];
extern const char skeleton_compare[];

#endif

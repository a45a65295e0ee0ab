/* Signals that are meant for a program, passed on to it by the command that runs it.
 *
 * A person who ends `selfpage faults -- PROGRAM` by kill(1) means the program: it gets the signal, and the command tidies up
 * and shows what it has found. What a terminal sends reaches the program by itself. From passing_hold to passing_to
 * such signals wait: until then there is no program to have them, and a command that they ended would leave its
 * directory behind.
 *
 * One program at a time in a process; for the thread that starts it, before there are others. */
#ifndef LAUNCH_PASSING_H
#define LAUNCH_PASSING_H

#include <sys/types.h>

/* Hold back SIGINT, SIGTERM, SIGHUP and SIGQUIT. To be called before the first file is made. A child of spawn.h does not
 * inherit this. */
void passing_hold(void);

/* Pass those signals on to the program `pid`, beginning with what was held back. */
void passing_to(pid_t pid);

/* Wait until the program has ended, and reap it: from then on signals are passed on to nobody, and none ends this process.
 * Returns 0 and what waitpid says, or a negative errno. */
int passing_wait(pid_t pid, int *statusp);

/* Nobody gets them any more, as after passing_wait, for a program that was waited for in another way. */
void passing_to_nobody(void);

/* As before passing_hold. To be called when nothing is left to tidy up: a signal that was held back and had no program to
 * go to ends this process now. */
void passing_end(void);

#endif

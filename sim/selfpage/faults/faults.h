/* `selfpage faults`. */
#ifndef SELFPAGE_FAULTS_FAULTS_H
#define SELFPAGE_FAULTS_FAULTS_H

/* Returns the exit status. */
int faults_command(int argc, char **argv);

#endif

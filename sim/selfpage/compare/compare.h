/* `selfpage compare` and `selfpage experiment`. */
#ifndef SELFPAGE_COMPARE_COMPARE_H
#define SELFPAGE_COMPARE_COMPARE_H

int compare_command(int argc, char **argv);
int compare_experiment_command(int argc, char **argv);

#endif

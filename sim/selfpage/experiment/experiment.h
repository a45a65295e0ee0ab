/* `selfpage experiment`. */
#ifndef SELFPAGE_EXPERIMENT_EXPERIMENT_H
#define SELFPAGE_EXPERIMENT_EXPERIMENT_H

int experiment_command(int argc, char **argv);

#endif

/* `selfpage simulate`. */
#ifndef SELFPAGE_SIMULATE_SIMULATE_H
#define SELFPAGE_SIMULATE_SIMULATE_H

int simulate_command(int argc, char **argv);

#endif

/* `selfpage compare`. */
#ifndef SELFPAGE_COMPARE_COMPARE_H
#define SELFPAGE_COMPARE_COMPARE_H

int compare_command(int argc, char **argv);

#endif

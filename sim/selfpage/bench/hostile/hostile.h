/* `selfpage bench hostile`: attacks on live servers, and what a bystander feels of them. */
#ifndef SELFPAGE_BENCH_HOSTILE_HOSTILE_H
#define SELFPAGE_BENCH_HOSTILE_HOSTILE_H

/* The command. Returns the exit status. */
int hostile_command(int argc, char **argv);

#endif

/* `selfpage merge`: what many `selfpage replay --json` printed, as if one had. */
#ifndef SELFPAGE_REPLAY_MERGE_H
#define SELFPAGE_REPLAY_MERGE_H

/* Run the command; argv[0] is "merge". Returns the exit status. */
int merge_command(int argc, char **argv);

#endif

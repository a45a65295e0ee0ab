/* `selfpage convert`, `selfpage generate`, `selfpage interleave` and `selfpage decisions`. */
#ifndef SELFPAGE_TRACE_COMMANDS_H
#define SELFPAGE_TRACE_COMMANDS_H

/* Run a command; argv[0] is its name. Returns the exit status. */
int convert_command(int argc, char **argv);
int generate_command(int argc, char **argv);
int interleave_command(int argc, char **argv);
int decisions_command(int argc, char **argv);

#endif

/* `selfpage convert`, `selfpage record` and `selfpage decisions`. */
#ifndef SELFPAGE_TRACE_COMMANDS_H
#define SELFPAGE_TRACE_COMMANDS_H

#include <stdint.h>

#include <selfpage/error.h>

/* Run a command; argv[0] is its name. Returns the exit status. */
int convert_command(int argc, char **argv);
int record_command(int argc, char **argv);
int decisions_command(int argc, char **argv);

/* A whole number from 1 to `most`; `option` is for the message. Returns 0 or -EINVAL. */
int trace_number_parse(const char *option, const char *text, uint64_t most, uint64_t *number,
                       struct sp_error *error);

#endif

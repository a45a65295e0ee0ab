/* A list of commands, and running the one that the command line names. */
#ifndef SELFPAGE_COMMAND_COMMANDS_H
#define SELFPAGE_COMMAND_COMMANDS_H

#include <stddef.h>

#include <selfpage/error.h>

struct options_syntax;

struct subcommand {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the name; returns the exit status */
    const char *summary;               /* what it does, in a line */
};

/* Run the command that argv[0] names, with the arguments behind it, and return its exit status.
 * `help`, -h and --help print the list, `help NAME` what NAME --help prints. `program` is what stands
 * before the command ("selfpage bench"), `about` a paragraph for the list, `version` what --version
 * prints (NULL: there is no --version). */
int commands_run(const char *program, const char *about, const struct subcommand *commands,
                 size_t count, const char *version, int argc, char **argv);

/* Say on standard error why a command could not run. Returns EXIT_CANNOT. */
int commands_cannot(const struct sp_error *error);

/* Read the options of a command into `options`, as options_parse of os/options.h does, and say on standard error
 * what is wrong with them. Returns -1 if the command is to run, or its exit status if that is all: it printed
 * its help, or cannot run. */
int commands_options(int argc, char **argv, const struct options_syntax *syntax, void *options);

#endif

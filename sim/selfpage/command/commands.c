#include "selfpage/command/commands.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/exits.h"
#include "base/nearest.h"
#include "os/option_lines.h"
#include "os/options.h"

int commands_cannot(const struct sp_error *error)
{
    fprintf(stderr, "selfpage: %s\n", error->text);
    return EXIT_CANNOT;
}

int commands_options(int argc, char **argv, const struct options_syntax *syntax, void *options)
{
    struct sp_error error = {0};

    switch (options_parse(argc, argv, syntax, options, &error)) {
    case OPTIONS_EXIT:
        return EXIT_YES;
    case OPTIONS_BAD:
        return commands_cannot(&error);
    case OPTIONS_RUN:
        break;
    }
    return -1;
}

static const struct subcommand *commands_find(const struct subcommand *commands, size_t count,
                                              const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

static void print_list(const char *program, const char *about, const struct subcommand *commands,
                       size_t count, const char *version)
{
    printf("Usage: %s COMMAND [arguments]\n\n%s\n\n", program, about);
    for (size_t i = 0; i < count; i++)
        printf("  %-14s %s\n", commands[i].name, commands[i].summary);
    printf("  %-14s print this, or what a command says about itself\n", "help [COMMAND]");
    if (version != NULL)
        printf("  %-14s print the version\n", "--version");
    printf(
        "\n%s COMMAND --help explains a command.\n"
        "Exit status of all: 0 the answer is yes; 1 it ran, and the answer is no; 2 it could not "
        "run.\n",
        program);
}

static int unknown(const char *program, const struct subcommand *commands, size_t count,
                   const char *name)
{
    struct nearest nearest = NEAREST_START(name);
    struct sp_error error;

    for (size_t i = 0; i < count && *name != '-'; i++)
        nearest_offer(&nearest, commands[i].name);
    if (nearest.best != NULL)
        error_set(&error, EINVAL, "unknown command %.60s: did you mean %s? (see %s --help)", name,
                  nearest.best, program);
    else
        error_set(&error, EINVAL, "unknown %s %.60s (see %s --help)",
                  *name == '-' ? "option" : "command", name, program);
    return commands_cannot(&error);
}

/* The same for programs: os/option_lines.h. */
static void print_lines(const char *program, const char *about, const struct subcommand *commands,
                        size_t count, const char *version)
{
    option_lines_item(stdout, "program", program, NULL);
    option_lines_item(stdout, "usage", "COMMAND [arguments]", NULL);
    option_lines_item(stdout, "about", about, NULL);
    for (size_t i = 0; i < count; i++)
        option_lines_item(stdout, "command", commands[i].name, commands[i].summary, NULL);
    option_lines_item(stdout, "option", "help", "h", "", OPTIONS_HELP_SELF, NULL);
    if (version != NULL)
        option_lines_item(stdout, "option", "version", "", "", OPTIONS_HELP_VERSION, NULL);
    option_lines_item(stdout, "exit",
                      "0 the answer is yes; 1 it ran, and the answer is no; 2 it could not run.",
                      NULL);
}

static bool asks_for_help(const char *word)
{
    return strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

int commands_run(const char *program, const char *about, const struct subcommand *commands,
                 size_t count, const char *version, int argc, char **argv)
{
    const struct subcommand *command;
    struct sp_error error;

    if (argc == 0) {
        error_set(&error, EINVAL, "which command? (see %s --help)", program);
        return commands_cannot(&error);
    }
    if (version != NULL && strcmp(argv[0], "--version") == 0) {
        printf("%s %s\n", program, version);
        return EXIT_YES;
    }
    if (strcmp(argv[0], "--help=lines") == 0) {
        print_lines(program, about, commands, count, version);
        return EXIT_YES;
    }
    if (asks_for_help(argv[0]) && (argc == 1 || asks_for_help(argv[1]))) {
        print_list(program, about, commands, count, version);
        return EXIT_YES;
    }
    if (asks_for_help(argv[0])) { /* help NAME ... is NAME ... --help */
        memmove(&argv[0], &argv[1], (size_t)(argc - 1) * sizeof(argv[0]));
        argv[argc - 1] = (char *)"--help";
    }
    command = commands_find(commands, count, argv[0]);
    if (command == NULL)
        return unknown(program, commands, count, argv[0]);
    return command->run(argc, argv);
}

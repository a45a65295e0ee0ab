#include "selfpage/faults/faults.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/exits.h"
#include "launch/passing.h"
#include "os/new_file.h"
#include "os/stdio.h"
#include "selfpage/command/commands.h"
#include "selfpage/command/json_out.h"
#include "selfpage/faults/advice.h"
#include "selfpage/faults/json.h"
#include "selfpage/faults/lines.h"
#include "selfpage/faults/options.h"
#include "selfpage/faults/print.h"
#include "selfpage/faults/program.h"
#include "selfpage/faults/tables.h"

/* ---- The directory of the tables ---- */

static int make_directory(const struct faults_options *options, char *path, size_t size,
                          struct sp_error *error)
{
    const char *above = getenv("TMPDIR");
    int length = options->keep != NULL ? snprintf(path, size, "%s", options->keep)
                                       : snprintf(path, size, "%s/selfpage-faults-XXXXXX",
                                                  above != NULL && *above != '\0' ? above : "/tmp");

    if (length >= (int)size)
        return error_set(error, ENAMETOOLONG, "the directory's path is too long");
    if (options->keep != NULL ? mkdir(path, 0777) != 0 && errno != EEXIST : mkdtemp(path) == NULL)
        return error_set(error, errno, "cannot make the directory %.150s: %s", path,
                         strerror(errno));
    return 0;
}

static void remove_directory(const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;

    while (directory != NULL && (entry = readdir(directory)) != NULL)
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(directory), entry->d_name, 0);
    if (directory != NULL)
        closedir(directory);
    rmdir(path);
}

/* ---- What is shown ---- */

static int write_hints(const char *path, const struct faults_lines *lines, size_t count,
                       size_t *hintsp, struct sp_error *error)
{
    struct new_file file;
    int result = new_file_open(&file, path, error);
    int fd = result == 0 ? dup(file.fd) : -1;
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;

    *hintsp = 0;
    for (size_t i = 0; i < count && out != NULL; i++)
        *hintsp += advice_hints(out, &lines[i]);
    if (out != NULL) {
        result = stdio_finish(out);
        if (fclose(out) != 0 && result == 0)
            result = -errno;
        if (result != 0)
            error_set(error, -result, "cannot write %.150s: %s", path, strerror(-result));
    } else if (result == 0) {
        result = error_set(error, errno, "cannot write %.150s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
    }
    if (result == 0)
        result = new_file_finish(&file, error);
    new_file_fini(&file);
    return result;
}

static int print_json(const struct faults_lines *lines, size_t count, struct sp_error *error)
{
    json_t *tasks = json_array(), *object;
    int result;

    for (size_t i = 0; i < count; i++)
        json_array_append_new(tasks, json_lines(&lines[i]));
    object = json_pack("{s:o}", "tasks", tasks);
    result = json_out_print(stdout, object, JSON_INDENT(2));
    if (result != 0)
        error_set(error, -result, "cannot write the JSON object: %s", strerror(-result));
    json_decref(object);
    return result;
}

static int show(const struct faults_options *options, const struct faults_lines *lines,
                size_t count, struct sp_error *error)
{
    size_t hints;
    int result = 0;

    if (options->json)
        result = print_json(lines, count, error);
    for (size_t i = 0; i < count && !options->json; i++) {
        if (i > 0)
            printf("\n");
        print_lines(stdout, &lines[i], options->lines);
    }
    if (result != 0 || options->hints == NULL)
        return result;
    result = write_hints(options->hints, lines, count, &hints, error);
    if (result == 0)
        fprintf(stderr, "selfpage: %zu hint%s in %s\n", hints, hints == 1 ? "" : "s",
                options->hints);
    return result;
}

static int show_tables(const struct faults_options *options, const char *path,
                       struct sp_error *error)
{
    struct tables tables = {.count = 0};
    struct faults_lines *lines = NULL;
    int result = tables_read(&tables, path, error);

    if (result == 0 && (lines = calloc(tables.count, sizeof(*lines))) == NULL)
        result = error_set(error, ENOMEM, "no memory for lines");
    for (size_t i = 0; i < tables.count && result == 0; i++)
        result = lines_make(&lines[i], tables.table[i], error);
    if (result == 0)
        result = show(options, lines, tables.count, error);
    for (size_t i = 0; lines != NULL && i < tables.count; i++)
        lines_fini(&lines[i]);
    free(lines);
    tables_fini(&tables);
    return result;
}

/* Run the program, and show what it has left. */
static int run_and_show(const struct faults_options *options, int *statusp, struct sp_error *error)
{
    char directory[1024];
    int result;

    passing_hold();
    result = make_directory(options, directory, sizeof(directory), error);
    if (result == 0) {
        result = program_run(options, directory, statusp, error);
        if (result == 0)
            result = show_tables(options, directory, error);
        if (options->keep == NULL)
            remove_directory(directory);
    }
    passing_end();
    return result;
}

int faults_command(int argc, char **argv)
{
    struct faults_options options;
    struct sp_error error = {0};
    int status = 0, result;

    switch (faults_options_parse(argc, argv, &options, &error)) {
    case OPTIONS_EXIT:
        return EXIT_YES;
    case OPTIONS_BAD:
        return commands_cannot(&error);
    case OPTIONS_RUN:
        break;
    }
    result = options.from != NULL ? show_tables(&options, options.from, &error)
                                  : run_and_show(&options, &status, &error);
    if (status != 0)
        fprintf(stderr, "selfpage: %s ended with status %d\n", options.program[0], status);
    if (result != 0)
        return commands_cannot(&error);
    return status == 0 ? EXIT_YES : EXIT_NO;
}

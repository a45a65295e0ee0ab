#include "selfpage/policy/new_policy.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/exits.h"
#include "os/options.h"
#include "os/stdio.h"
#include "selfpage/command/commands.h"
#include "arbiter/registry.h"
#include "base/random.h"
#include "policy/registry.h"

#define NAME_LONGEST 40u
#define PATH_LONGEST 4095u

/* The trace that comes with a skeleton: a few hot pages, many cold ones, and now and then a scan.
 */
#define TRACE_REFERENCES 20000u
#define TRACE_HOT        60u
#define TRACE_PAGES      600u
#define TRACE_SCAN_EVERY 4000u
#define TRACE_SCAN       300u

static const char about_policy[] =
    "Write the beginning of an eviction policy into DIR (./NAME), which is made: NAME.c with\n"
    "comments, CMakeLists.txt, which builds and tests it, trace.txt and scenario.yaml for the tests, and\n"
    "curve.sh, which draws its misses at all sizes beside those of lru, of its nearest relatives and of\n"
    "belady. Nothing is overwritten.\n"
    "\n"
    "NAME is a letter, then letters, digits and '-', all small.\n";

static const char about_arbiter[] =
    "Write the beginning of an arbitration policy into DIR (./NAME), which is made: NAME.c with\n"
    "comments, CMakeLists.txt, which builds and tests it, scenario.yaml, and compare.sh, which plays that under\n"
    "it and under others, and draws what each task holds. Nothing is overwritten.\n"
    "\n"
    "NAME is a letter, then letters, digits and '-', all small.\n";

/* The kinds of skeletons. */
struct kind {
    const char *word, *words; /* "policy", "a policy" */
    const char *source, *cmake;
    bool (*exists)(const char *name, size_t length);
    const char *scenario;
    const char *script_name, *script; /* which draws */
    bool is_policy;                   /* it has a trace */
};

static bool policy_exists(const char *name, size_t length)
{
    return policy_registry_find(name, length) != NULL;
}

static bool arbiter_exists(const char *name, size_t length)
{
    return arbiter_registry_find(name, length) != NULL;
}

static const struct kind policy_kind = {"policy",       "a policy",     skeleton_policy,
                                        skeleton_cmake, policy_exists,  skeleton_scenario,
                                        "curve.sh",     skeleton_curve, true};
static const struct kind arbiter_kind = {"arbiter",
                                         "an arbiter",
                                         skeleton_arbiter,
                                         skeleton_arbiter_cmake,
                                         arbiter_exists,
                                         skeleton_arbiter_scenario,
                                         "compare.sh",
                                         skeleton_compare,
                                         false};

struct skeleton {
    const struct kind *kind;
    const char *name;
    char ident[NAME_LONGEST + 1];
    char dir[PATH_LONGEST + 1];
    const char *given_dir; /* NULL: none was */
};

static int take_name(struct skeleton *skeleton, const char *name, struct sp_error *error)
{
    size_t length = strlen(name);

    if (length == 0 || length > NAME_LONGEST || name[0] < 'a' || name[0] > 'z' ||
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != length || name[length - 1] == '-')
        return error_set(error, EINVAL,
                         "\"%.60s\" is no name for %s: a small letter, then at most %u small "
                         "letters, digits and '-'",
                         name, skeleton->kind->words, NAME_LONGEST - 1);
    if (skeleton->kind->exists(name, length))
        return error_set(error, EEXIST, "there is %s '%s' in Selfpage already; take another name",
                         skeleton->kind->words, name);
    if (strcmp(name, "test") == 0 || strcmp(name, "all") == 0 || strcmp(name, "install") == 0 ||
        strcmp(name, "clean") == 0 || strcmp(name, "package") == 0 || strcmp(name, "help") == 0)
        return error_set(error, EINVAL, "'%s' means something else to CMake; take another name",
                         name);
    skeleton->name = name;
    for (size_t i = 0; i <= length; i++)
        skeleton->ident[i] = name[i] == '-' ? '_' : name[i];
    return 0;
}

/* Write `text` with @NAME@ and @IDENT@ filled in. */
static void fill_in(FILE *out, const char *text, const struct skeleton *skeleton)
{
    const char *at;

    for (; (at = strchr(text, '@')) != NULL; text = at) {
        fwrite(text, 1, (size_t)(at - text), out);
        if (strncmp(at, "@NAME@", 6) == 0) {
            fputs(skeleton->name, out);
            at += 6;
        } else if (strncmp(at, "@IDENT@", 7) == 0) {
            fprintf(out, "%s_%s", skeleton->ident, skeleton->kind->word);
            at += 7;
        } else {
            fputc(*at++, out);
        }
    }
    fputs(text, out);
}

static void write_trace(FILE *out)
{
    struct random_source random = random_seeded(1);
    uint32_t scanned = 0;

    for (uint32_t i = 0; i < TRACE_REFERENCES; i++) {
        uint32_t page = random_below(&random, 4) > 0 ? random_below(&random, TRACE_HOT)
                                                     : random_below(&random, TRACE_PAGES);

        if (i % TRACE_SCAN_EVERY < TRACE_SCAN)
            page = TRACE_PAGES + scanned++ % (2 * TRACE_SCAN);
        fprintf(out, "%u\n", page);
    }
}

static int write_file(const struct skeleton *skeleton, const char *name, const char *text,
                      struct sp_error *error)
{
    char path[2 * PATH_LONGEST];
    FILE *out;
    int fd, result;

    snprintf(path, sizeof(path), "%s/%s", skeleton->dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return error_set(error, errno, "%.180s: %s", path,
                         errno == EEXIST ? "it exists, and is not overwritten" : strerror(errno));
    out = fdopen(fd, "w");
    if (out == NULL) {
        close(fd);
        return error_set(error, ENOMEM, "no memory for writing %.180s", path);
    }
    if (text != NULL)
        fill_in(out, text, skeleton);
    else
        write_trace(out);
    result = stdio_finish(out);
    if (fclose(out) != 0 && result == 0)
        result = -errno;
    return result == 0
               ? 0
               : error_set(error, -result, "cannot write %.180s: %s", path, strerror(-result));
}

/* Nothing is written if any of the files exists. */
static int see_that_none_exists(const struct skeleton *skeleton, const char *const *names,
                                struct sp_error *error)
{
    char path[2 * PATH_LONGEST];

    for (; *names != NULL; names++) {
        snprintf(path, sizeof(path), "%s/%s", skeleton->dir, *names);
        if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            return error_set(error, EEXIST, "%.180s exists, and is not overwritten", path);
    }
    return 0;
}

/* What it is tried on, and with. */
static int write_rest(const struct skeleton *skeleton, struct sp_error *error)
{
    char path[2 * PATH_LONGEST];
    const struct kind *kind = skeleton->kind;
    int result = kind->is_policy ? write_file(skeleton, "trace.txt", NULL, error) : 0;

    if (result == 0)
        result = write_file(skeleton, "scenario.yaml", kind->scenario, error);
    if (result == 0)
        result = write_file(skeleton, kind->script_name, kind->script, error);
    snprintf(path, sizeof(path), "%s/%s", skeleton->dir, kind->script_name);
    if (result == 0 && chmod(path, 0755) != 0)
        return error_set(error, errno, "cannot make %.180s a program: %s", path, strerror(errno));
    return result;
}

/* It could not be completed: nothing of it stays. None of the files was there before. */
static void remove_all(const struct skeleton *skeleton, const char *const *names, bool made)
{
    char path[2 * PATH_LONGEST];

    for (; *names != NULL; names++) {
        snprintf(path, sizeof(path), "%s/%s", skeleton->dir, *names);
        unlink(path);
    }
    if (made)
        rmdir(skeleton->dir);
}

static int write_skeleton(const struct skeleton *skeleton, struct sp_error *error)
{
    char source[NAME_LONGEST + 3];
    const char *const names[] = {source,
                                 "CMakeLists.txt",
                                 "scenario.yaml",
                                 skeleton->kind->script_name,
                                 skeleton->kind->is_policy ? "trace.txt" : NULL,
                                 NULL};
    bool made;
    int result;

    snprintf(source, sizeof(source), "%s.c", skeleton->name);
    made = mkdir(skeleton->dir, 0777) == 0;
    if (!made && errno != EEXIST)
        return error_set(error, errno, "cannot make the directory %.180s: %s", skeleton->dir,
                         strerror(errno));
    result = see_that_none_exists(skeleton, names, error);
    if (result != 0)
        return result;
    result = write_file(skeleton, source, skeleton->kind->source, error);
    if (result == 0)
        result = write_file(skeleton, "CMakeLists.txt", skeleton->kind->cmake, error);
    if (result == 0)
        result = write_rest(skeleton, error);
    if (result != 0)
        remove_all(skeleton, names, made);
    return result;
}

static int name_take(void *skeleton, char **word, struct sp_error *error)
{
    return take_name(skeleton, word[0], error);
}

static int check(void *arg, struct sp_error *error)
{
    struct skeleton *skeleton = arg;
    int length = snprintf(skeleton->dir, sizeof(skeleton->dir), "%s",
                          skeleton->given_dir != NULL ? skeleton->given_dir : skeleton->name);

    if (length > (int)PATH_LONGEST)
        return error_set(error, ENAMETOOLONG, "--dir: longer than %u bytes", PATH_LONGEST);
    return 0;
}

static const struct option_row rows[] = {
    {"dir", OPTION_TEXT, offsetof(struct skeleton, given_dir), .value = "DIR",
     .help = "the directory to write to (./NAME)"},
};

#define SYNTAX(called, text)                                                                       \
    {                                                                                              \
        .program = "selfpage " called, .usage = "NAME [--dir DIR]", .about = text,                 \
        .exit_statuses = "0 done; 2 it could not be done.", .rows = rows,                          \
        .count = sizeof(rows) / sizeof(rows[0]), .operands = "NAME", .least = 1, .most = 1,        \
        .operand = name_take, .check = check                                                       \
    }

static const struct options_syntax policy_syntax = SYNTAX("new-policy", about_policy);
static const struct options_syntax arbiter_syntax = SYNTAX("new-arbiter", about_arbiter);

static int new_command(const struct kind *kind, const struct options_syntax *syntax, int argc,
                       char **argv)
{
    struct skeleton skeleton = {.kind = kind};
    struct sp_error error = {0};
    int verdict;

    verdict = commands_options(argc, argv, syntax, &skeleton);
    if (verdict >= 0)
        return verdict;
    if (write_skeleton(&skeleton, &error) != 0)
        return commands_cannot(&error);
    printf("%s/%s.c is the %s. Next:\n"
           "  cmake -S %s -B %s/build && cmake --build %s/build\n"
           "  ctest --test-dir %s/build --output-on-failure\n",
           skeleton.dir, skeleton.name, kind->word, skeleton.dir, skeleton.dir, skeleton.dir,
           skeleton.dir);
    printf("  %s/%s\n", skeleton.dir, kind->script_name);
    return EXIT_YES;
}

int new_policy_command(int argc, char **argv)
{
    return new_command(&policy_kind, &policy_syntax, argc, argv);
}

int new_policy_arbiter_command(int argc, char **argv)
{
    return new_command(&arbiter_kind, &arbiter_syntax, argc, argv);
}

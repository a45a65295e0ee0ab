/* Command lines by a table: each type of option, and what is said of a wrong one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "os/option_lines.h"
#include "os/options.h"

struct values {
    bool flag;
    const char *text;
    uint32_t u32;
    uint64_t u64;
    int number;
    double rate;
    const char *taken;
    unsigned alone;
};

static int call_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    ((struct values *)options)->taken = text;
    return strcmp(text, "wrong") == 0 ? error_set(error, EINVAL, "--%s: wrong", name) : 0;
}

static int alone_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    (void)name;
    (void)error;
    assert_null(text);
    ((struct values *)options)->alone++;
    return 0;
}

static int check(void *options, struct sp_error *error)
{
    return ((struct values *)options)->u32 == 9 ? error_set(error, EINVAL, "nine is too many") : 0;
}

#define FIELD(name) offsetof(struct values, name)

static const struct option_row rows[] = {
    {"flag", OPTION_FLAG, FIELD(flag), .help = "so"},
    {"text", OPTION_TEXT, FIELD(text), .value = "TEXT"},
    {"Numbers", OPTION_HEADING},
    {"u32", OPTION_U32, FIELD(u32), 1, 10, .letter = 'u', .value = "N", .help = "a number"},
    {"u64", OPTION_U64, FIELD(u64), 0, UINT64_MAX},
    {"int", OPTION_INT, FIELD(number), 0, INT_MAX, .value = "N",
     .help = "words that make a line of the help longer than a terminal is wide, so that it is "
             "broken"},
    {"rate", OPTION_RATE, FIELD(rate), .most = 2, .value = "R", .help = "a rate"},
    {"call", OPTION_CALL, .take = call_take, .value = "C", .help = "a call"},
    {"alone", OPTION_CALL_FLAG, .take = alone_take, .help = "alone"},
};

static void print_more(FILE *out)
{
    fputs("More.\n", out);
}

static const struct options_syntax syntax = {
    .program = "prog",
    .version = "1.2",
    .usage = "[options]",
    .about = "About it.\n",
    .notes = "Notes.\n",
    .more = print_more,
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .check = check,
};

/* Parse words that are separated by single blanks. */
static enum options_verdict parse(const char *words, struct values *values, struct sp_error *error)
{
    static char text[256];
    char *argv[20] = {"prog"};
    int argc = 1;

    *values = (struct values){.number = -1};
    memset(error, 0, sizeof(*error));
    strcpy(text, words);
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = word;
    return options_parse(argc, argv, &syntax, values, error);
}

static void every_type_is_set(void **state)
{
    struct values values;
    struct sp_error error;

    (void)state;
    assert_int_equal(parse("", &values, &error), OPTIONS_RUN);
    assert_false(values.flag);
    assert_int_equal(values.number, -1);
    assert_int_equal(parse("--flag --text a --u32 10 --u64=18446744073709551615 --int 7 "
                           "--rate 0.5 --call b --alone --alone",
                           &values, &error),
                     OPTIONS_RUN);
    assert_true(values.flag);
    assert_string_equal(values.text, "a");
    assert_int_equal(values.u32, 10);
    assert_true(values.u64 == UINT64_MAX);
    assert_int_equal(values.number, 7);
    assert_true(values.rate > 0.499 && values.rate < 0.501);
    assert_string_equal(values.taken, "b");
    assert_int_equal(values.alone, 2);
}

static void what_is_wrong_is_said(void **state)
{
    static const struct {
        const char *words, *text;
    } cases[] = {
        {"--u32 11", "--u32: \"11\" is not a number from 1 to 10"},
        {"--u64 -1", "--u64: \"-1\""},
        {"--int x", "--int: \"x\""},
        {"--rate 2.5", "--rate: \"2.5\" is not a number from 0 to 2"},
        {"--call wrong", "--call: wrong"},
        {"--text", "--text needs a value"},
        {"--flag=1", "--flag=1: this option takes no value"},
        {"--colour", "unknown option --colour (see prog --help)"},
        {"--falg", "unknown option --falg: did you mean --flag? (see prog --help)"},
        {"-x", "unknown option -x (see prog --help)"},
        {"--help=html", "--help: \"html\" is not a form"},
        {"--flag more", "unexpected argument \"more\""},
        {"--u32 9", "nine is too many"},
        {"--u32 0 --help", "--u32"},
    };
    struct values values;
    struct sp_error error;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(parse(cases[i].words, &values, &error), OPTIONS_BAD);
        if (strstr(error.text, cases[i].text) == NULL)
            fail_msg("\"%s\": \"%s\" does not say \"%s\"", cases[i].words, error.text,
                     cases[i].text);
    }
}

/* Standard output leads into a pipe meanwhile. */
static void help_and_version_are_printed(void **state)
{
    static const struct {
        const char *words, *output;
    } cases[] = {
        {"--help",
         "Usage: prog [options]\n\nAbout it.\n\n"
         "  --flag                so\n"
         "  --text TEXT           NOT EXPLAINED\n"
         "\nNumbers\n"
         "  -u, --u32 N           a number\n"
         "  --u64 NOT EXPLAINED   NOT EXPLAINED\n"
         "  --int N               words that make a line of the help longer than a terminal is wide, "
         "so that\n                        it is broken\n"
         "  --rate R              a rate\n"
         "  --call C              a call\n"
         "  --alone               alone\n"
         "  -h, --help            print this (--help=lines: for programs, an item a line)\n"
         "  --version             print the version\n"
         "\nNotes.\nMore.\n\nExit status: 0; 2 it could not run.\n"},
        {"--help=lines", "program\tprog\nusage\t[options]\nabout\tAbout it.\\n\n"
                         "option\tflag\t\t\tso\n"
                         "option\ttext\t\tTEXT\t\n"
                         "heading\tNumbers\n"
                         "option\tu32\tu\tN\ta number\n"},
        {"-h --nonsense", "Usage: prog [options]\n\nAbout it.\n"},
        {"--u32 9 --version", "prog 1.2\n"},
    };
    struct values values;
    struct sp_error error;
    char bytes[4096];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int pipe_fds[2], saved;
        ssize_t size;

        fflush(stdout);
        saved = dup(STDOUT_FILENO);
        assert_true(saved >= 0 && pipe(pipe_fds) == 0);
        assert_int_equal(dup2(pipe_fds[1], STDOUT_FILENO), STDOUT_FILENO);
        assert_int_equal(parse(cases[i].words, &values, &error), OPTIONS_EXIT);
        fflush(stdout);
        assert_int_equal(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
        close(saved);
        close(pipe_fds[1]);
        size = read(pipe_fds[0], bytes, sizeof(bytes) - 1);
        close(pipe_fds[0]);
        assert_true(size > 0);
        bytes[size] = '\0';
        if (strncmp(bytes, cases[i].output, strlen(cases[i].output)) != 0)
            assert_string_equal(bytes, cases[i].output);
    }
}

/* A field that holds a tab, a backslash or the end of a line is one field still. */
static void fields_of_lines_are_escaped(void **state)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    assert_non_null(out);
    option_lines_item(out, "key", "a\tb", "", "c\\n\nx", NULL);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "key\ta\\tb\t\tc\\\\n\\nx\n");
    free(text);
}

static int word_take(void *options, char **word, struct sp_error *error)
{
    struct values *values = options;

    (void)error;
    values->alone++;
    values->taken = word[0];
    return 0;
}

static void words_are_counted_and_taken(void **state)
{
    static char *none[] = {"prog", NULL}, *one[] = {"prog", "a", "--flag", NULL},
                *three[] = {"prog", "a", "b", "c", NULL}, *rest[] = {"prog", "a", "--flag", NULL};
    struct options_syntax words = syntax;
    struct values values = {0};
    struct sp_error error;

    (void)state;
    words.operands = "IN and OUT";
    words.least = 1;
    words.most = 2;
    words.operand = word_take;
    assert_int_equal(options_parse(1, none, &words, &values, &error), OPTIONS_BAD);
    assert_string_equal(error.text, "which IN and OUT? (see prog --help)");
    assert_int_equal(options_parse(4, three, &words, &values, &error), OPTIONS_BAD);
    assert_non_null(strstr(error.text, "unexpected argument \"c\""));
    assert_int_equal(options_parse(3, one, &words, &values, &error), OPTIONS_RUN);
    assert_string_equal(values.taken, "a");
    assert_true(values.alone == 1 && values.flag);
    values = (struct values){0};
    words.rest = true; /* what follows the first word is not an option */
    assert_int_equal(options_parse(3, rest, &words, &values, &error), OPTIONS_RUN);
    assert_true(values.alone == 1 && !values.flag);
}

static void a_table_that_is_too_long_is_refused(void **state)
{
    struct options_syntax longer = syntax;
    char *argv[] = {"prog", NULL};
    struct values values;
    struct sp_error error;

    (void)state;
    longer.count = OPTIONS_MAX + 1;
    assert_int_equal(options_parse(1, argv, &longer, &values, &error), OPTIONS_BAD);
    assert_non_null(strstr(error.text, "more than"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_set),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(help_and_version_are_printed),
        cmocka_unit_test(fields_of_lines_are_escaped),
        cmocka_unit_test(words_are_counted_and_taken),
        cmocka_unit_test(a_table_that_is_too_long_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

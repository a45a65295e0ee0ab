#include "selfpage/scenario/verdicts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "os/new_file.h"
#include "os/stdio.h"

static void free_verdict(struct verdict_case *entry)
{
    free(entry->suite);
    free(entry->text);
    free(entry->why);
}

static void add(struct verdicts *verdicts, const char *suite, const char *text, const char *why,
                bool error)
{
    struct verdict_case *grown =
        reallocarray(verdicts->verdict, verdicts->count + 1, sizeof *verdicts->verdict);
    struct verdict_case *added;

    if (grown == NULL) {
        verdicts->failed = true;
        return;
    }
    verdicts->verdict = grown;
    added = &grown[verdicts->count];
    *added =
        (struct verdict_case){strdup(suite), strdup(text), why != NULL ? strdup(why) : NULL, error};
    if (added->suite == NULL || added->text == NULL || (why != NULL && added->why == NULL)) {
        free_verdict(added);
        verdicts->failed = true;
        return;
    }
    verdicts->count++;
}

void verdicts_add(struct verdicts *verdicts, const char *suite, const char *text, bool passed,
                  const char *why)
{
    add(verdicts, suite, text, passed ? NULL : why != NULL ? why : "it does not hold", false);
}

void verdicts_add_error(struct verdicts *verdicts, const char *suite, const char *why)
{
    add(verdicts, suite, "the scenario can be run", why, true);
}

void verdicts_add_outcome(struct verdicts *verdicts, const char *suite,
                          const struct outcome *outcome)
{
    for (size_t i = 0; i < outcome->expectation_count; i++) {
        const struct expectation *expectation = &outcome->expectations[i];

        verdicts_add(verdicts, suite, expectation->text, expectation->passed, expectation->why);
    }
}

void verdicts_fini(struct verdicts *verdicts)
{
    for (size_t i = 0; i < verdicts->count; i++)
        free_verdict(&verdicts->verdict[i]);
    free(verdicts->verdict);
    *verdicts = (struct verdicts){0};
}

/* ---- Texts ---- */

/* The bytes of the character that begins here, if XML may have it: 0 for control characters, for what is not UTF-8
 * and for what is not a character. */
static size_t character(const unsigned char *text)
{
    size_t more = text[0] < 0x80 ? 0 : text[0] < 0xe0 ? 1 : text[0] < 0xf0 ? 2 : 3;
    uint32_t code = more == 0 ? text[0] : text[0] & (0x3fu >> more);
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};

    if (text[0] >= 0x80 && (text[0] < 0xc2 || text[0] > 0xf4))
        return 0;
    for (size_t i = 1; i <= more; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (text[i] & 0x3f);
    }
    if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ||
        code == 0xfffe || code == 0xffff || (code < ' ' && code != '\t' && code != '\n'))
        return 0;
    return more + 1;
}

/* A text inside of an attribute's quotes. */
static void put_xml(FILE *out, const char *text)
{
    while (*text != '\0') {
        size_t length = character((const unsigned char *)text);

        if (length == 0)
            fputc('?', out);
        else if (length > 1)
            fprintf(out, "%.*s", (int)length, text);
        else if (strchr("&<>\"'\t\n", *text) != NULL)
            fprintf(out, "&#%d;", *text);
        else
            fputc(*text, out);
        text += length > 0 ? length : 1;
    }
}

/* A description in TAP: '#' begins a directive. */
static void put_tap(FILE *out, const char *text)
{
    while (*text != '\0') {
        size_t length = character((const unsigned char *)text);

        if (length == 0 || (unsigned char)*text < ' ')
            fputc(length == 0 ? '?' : ' ', out);
        else
            fprintf(out, "%s%.*s", *text == '#' || *text == '\\' ? "\\" : "", (int)length, text);
        text += length > 0 ? length : 1;
    }
}

/* A text of YAML, in double quotes. */
static void put_yaml(FILE *out, const char *text)
{
    fputc('"', out);
    while (*text != '\0') {
        size_t length = character((const unsigned char *)text);

        if (length > 1)
            fprintf(out, "%.*s", (int)length, text);
        else if (length == 0)
            fputc('?', out);
        else if ((unsigned char)*text < ' ')
            fprintf(out, "\\x%02x", *text);
        else
            fprintf(out, "%s%c", *text == '"' || *text == '\\' ? "\\" : "", *text);
        text += length > 0 ? length : 1;
    }
    fputc('"', out);
}

/* ---- JUnit ---- */

/* How many cases of some that follow each other did not pass. */
struct verdict_tally {
    size_t tests, failures, errors;
};

static void count_case(struct verdict_tally *tally, const struct verdict_case *entry)
{
    tally->tests++;
    tally->errors += entry->error;
    tally->failures += entry->why != NULL && !entry->error;
}

static size_t suite_end(const struct verdicts *verdicts, size_t from, struct verdict_tally *tally)
{
    size_t end = from;

    *tally = (struct verdict_tally){0};
    while (end < verdicts->count &&
           strcmp(verdicts->verdict[end].suite, verdicts->verdict[from].suite) == 0)
        count_case(tally, &verdicts->verdict[end++]);
    return end;
}

static void write_case(FILE *out, const struct verdict_case *entry)
{
    fputs("    <testcase classname=\"", out);
    put_xml(out, entry->suite);
    fputs("\" name=\"", out);
    put_xml(out, entry->text);
    if (entry->why == NULL) {
        fputs("\"/>\n", out);
        return;
    }
    fprintf(out, "\">\n      <%s message=\"", entry->error ? "error" : "failure");
    put_xml(out, entry->why);
    fputs("\"/>\n    </testcase>\n", out);
}

static void write_junit(FILE *out, const struct verdicts *verdicts)
{
    struct verdict_tally tally = {0};
    size_t end;

    for (size_t i = 0; i < verdicts->count; i++)
        count_case(&tally, &verdicts->verdict[i]);
    fprintf(out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"selfpage\" "
            "tests=\"%zu\" failures=\"%zu\" errors=\"%zu\">\n",
            tally.tests, tally.failures, tally.errors);
    for (size_t from = 0; from < verdicts->count; from = end) {
        end = suite_end(verdicts, from, &tally);
        fputs("  <testsuite name=\"", out);
        put_xml(out, verdicts->verdict[from].suite);
        fprintf(out, "\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"0\">\n",
                tally.tests, tally.failures, tally.errors);
        for (size_t i = from; i < end; i++)
            write_case(out, &verdicts->verdict[i]);
        fputs("  </testsuite>\n", out);
    }
    fputs("</testsuites>\n", out);
}

int verdicts_check(const char *junit, struct sp_error *error)
{
    struct new_file file;
    struct stat info;
    int result;

    /* A pipe is left alone: its reader would see an end. */
    if (junit == NULL ||
        (stat(junit, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)))
        return 0;
    result = new_file_open(&file, junit, error);
    new_file_fini(&file);
    return result;
}

static int write_file(const struct verdicts *verdicts, const char *path, struct sp_error *error)
{
    struct new_file file;
    int result = new_file_open(&file, path, error);
    int copy = result == 0 ? dup(file.fd) : -1;
    FILE *out = copy >= 0 ? fdopen(copy, "w") : NULL;

    if (result != 0)
        return result;
    if (out != NULL) {
        write_junit(out, verdicts);
        result = stdio_finish(out);
        if (fclose(out) != 0 && result == 0)
            result = -errno;
    } else {
        result = -errno;
        if (copy >= 0)
            close(copy);
    }
    result = result != 0
                 ? error_set(error, -result, "%.160s: cannot write: %s", path, strerror(-result))
                 : new_file_finish(&file, error);
    new_file_fini(&file);
    return result;
}

/* ---- TAP ---- */

/* A scenario that could not be run is not a test: "Bail out!" comes behind the tests, and ends the stream. */
static void write_tap(FILE *out, const struct verdicts *verdicts)
{
    const char *bail = NULL;
    size_t tests = 0;

    for (size_t i = 0; i < verdicts->count; i++)
        tests += !verdicts->verdict[i].error;
    fputs("TAP version 13\n", out);
    if (tests > 0 || verdicts->count == 0)
        fprintf(out, "1..%zu\n", tests);
    tests = 0;
    for (size_t i = 0; i < verdicts->count; i++) {
        const struct verdict_case *entry = &verdicts->verdict[i];

        if (entry->error) {
            bail = entry->why;
            continue;
        }
        fprintf(out, "%s %zu - ", entry->why == NULL ? "ok" : "not ok", ++tests);
        put_tap(out, entry->suite);
        fputs(": ", out);
        put_tap(out, entry->text);
        fputc('\n', out);
        if (entry->why == NULL)
            continue;
        fputs("  ---\n  message: ", out);
        put_yaml(out, entry->why);
        fputs("\n  ...\n", out);
    }
    if (bail != NULL) {
        fputs("Bail out! ", out);
        put_tap(out, bail);
        fputc('\n', out);
    }
}

int verdicts_write(const struct verdicts *verdicts, const char *junit, bool tap,
                   struct sp_error *error)
{
    if (verdicts->failed)
        return error_set(error, ENOMEM, "out of memory");
    if (tap) {
        int result;

        write_tap(stdout, verdicts);
        result = stdio_finish(stdout);
        if (result != 0)
            return error_set(error, -result, "cannot write to standard output: %s",
                             strerror(-result));
    }
    return junit != NULL ? write_file(verdicts, junit, error) : 0;
}

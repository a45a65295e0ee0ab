#include "selfpage/scenario/verdicts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "os/new_file.h"

static void free_verdict(struct verdict_case *entry)
{
    free(entry->suite);
    free(entry->text);
    free(entry->why);
}

void verdicts_add(struct verdicts *verdicts, const char *suite, const char *text, bool passed,
                  const char *why)
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
    *added = (struct verdict_case){strdup(suite), strdup(text),
                                   passed ? NULL : strdup(why != NULL ? why : "it does not hold")};
    if (added->suite == NULL || added->text == NULL || (!passed && added->why == NULL)) {
        free_verdict(added);
        verdicts->failed = true;
        return;
    }
    verdicts->count++;
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

static size_t suite_end(const struct verdicts *verdicts, size_t from, size_t *failures)
{
    size_t end = from;

    *failures = 0;
    while (end < verdicts->count &&
           strcmp(verdicts->verdict[end].suite, verdicts->verdict[from].suite) == 0)
        *failures += verdicts->verdict[end++].why != NULL;
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
    fputs("\">\n      <failure message=\"", out);
    put_xml(out, entry->why);
    fputs("\"/>\n    </testcase>\n", out);
}

static void write_junit(FILE *out, const struct verdicts *verdicts)
{
    size_t failures = 0, end;

    for (size_t i = 0; i < verdicts->count; i++)
        failures += verdicts->verdict[i].why != NULL;
    fprintf(out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"selfpage\" "
            "tests=\"%zu\" failures=\"%zu\">\n",
            verdicts->count, failures);
    for (size_t from = 0; from < verdicts->count; from = end) {
        end = suite_end(verdicts, from, &failures);
        fputs("  <testsuite name=\"", out);
        put_xml(out, verdicts->verdict[from].suite);
        fprintf(out, "\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"0\">\n", end - from,
                failures);
        for (size_t i = from; i < end; i++)
            write_case(out, &verdicts->verdict[i]);
        fputs("  </testsuite>\n", out);
    }
    fputs("</testsuites>\n", out);
}

static int write_file(const struct verdicts *verdicts, const char *path, struct sp_error *error)
{
    struct new_file file;
    int result = new_file_open(&file, path, error);
    int copy = result == 0 ? dup(file.fd) : -1;
    FILE *out = copy >= 0 ? fdopen(copy, "w") : NULL;
    bool failed = out == NULL;

    if (result != 0)
        return result;
    if (out != NULL) {
        write_junit(out, verdicts);
        failed = ferror(out) != 0;
        failed = fclose(out) != 0 || failed;
    } else if (copy >= 0) {
        close(copy);
    }
    result = failed ? error_set(error, EIO, "%.160s: it cannot be written", path)
                    : new_file_finish(&file, error);
    new_file_fini(&file);
    return result;
}

/* ---- TAP ---- */

static void write_tap(FILE *out, const struct verdicts *verdicts)
{
    fprintf(out, "TAP version 13\n1..%zu\n", verdicts->count);
    for (size_t i = 0; i < verdicts->count; i++) {
        const struct verdict_case *entry = &verdicts->verdict[i];

        fprintf(out, "%s %zu - ", entry->why == NULL ? "ok" : "not ok", i + 1);
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
}

int verdicts_write(const struct verdicts *verdicts, const char *junit, bool tap,
                   struct sp_error *error)
{
    if (verdicts->failed)
        return error_set(error, ENOMEM, "out of memory");
    if (tap) {
        write_tap(stdout, verdicts);
        if (fflush(stdout) != 0)
            return error_set(error, EIO, "standard output cannot be written");
    }
    return junit != NULL ? write_file(verdicts, junit, error) : 0;
}

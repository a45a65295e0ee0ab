#include "os/options.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "base/error.h"
#include "base/nearest.h"
#include "base/option.h"
#include "os/option_lines.h"

/* What getopt returns: beyond all characters, and then the row's number. */
#define KEY_HELP    256
#define KEY_VERSION 257
#define KEY_ROW     258

/* Columns of the help: where explanations begin, and where they are broken. */
#define HELP_COLUMN 24u
#define HELP_WIDTH  99u

static int row_take(const struct option_row *row, const char *text, void *options,
                    struct sp_error *error)
{
    void *field = (char *)options + row->offset;
    uint64_t number = 0;
    int code = 0;

    switch (row->type) {
    case OPTION_FLAG:
        *(bool *)field = true;
        break;
    case OPTION_TEXT:
        *(const char **)field = text;
        break;
    case OPTION_U32:
        code = option_number(row->name, text, row->least, row->most, &number, error);
        *(uint32_t *)field = (uint32_t)number;
        break;
    case OPTION_U64:
        code = option_number(row->name, text, row->least, row->most, field, error);
        break;
    case OPTION_INT:
        code = option_number(row->name, text, row->least, row->most, &number, error);
        *(int *)field = (int)number;
        break;
    case OPTION_RATE:
        code = option_rate(row->name, text, (double)row->most, field, error);
        break;
    case OPTION_CALL:
    case OPTION_CALL_FLAG:
        code = row->take(options, row->name, text, error);
        break;
    case OPTION_HEADING:
        break;
    }
    return code;
}

static bool row_is_alone(const struct option_row *row)
{
    return row->type == OPTION_FLAG || row->type == OPTION_CALL_FLAG;
}

/* ---- Help ---- */

/* Print words from column `column` on, broken before the column HELP_WIDTH; lines that follow begin
 * at column `indent`. */
static void help_words(FILE *out, unsigned column, unsigned indent, const char *text)
{
    bool first = true; /* in its line */

    while (*text != '\0') {
        unsigned length = (unsigned)strcspn(text, " ");

        if (!first && column + 1 + length > HELP_WIDTH) {
            fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (!first) {
            fputc(' ', out);
            column++;
        }
        first = false;
        fprintf(out, "%.*s", (int)length, text);
        column += length;
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static void help_row(FILE *out, const char *name, char letter, const char *value, const char *text)
{
    char left[120];
    int length = letter != '\0' ? snprintf(left, sizeof left, "  -%c, --%s", letter, name)
                                : snprintf(left, sizeof left, "  --%s", name);

    if (value != NULL && (size_t)length < sizeof left)
        length += snprintf(left + length, sizeof left - (size_t)length, " %s", value);
    if ((unsigned)length + 2 <= HELP_COLUMN)
        fprintf(out, "%-*s", (int)HELP_COLUMN, left);
    else
        fprintf(out, "%s\n%*s", left, (int)HELP_COLUMN, "");
    help_words(out, HELP_COLUMN, HELP_COLUMN, text != NULL ? text : "NOT EXPLAINED");
}

void options_help(FILE *out, const struct options_syntax *syntax)
{
    fprintf(out, "Usage: %s%s%s\n\n%s\n", syntax->program, syntax->usage[0] != '\0' ? " " : "",
            syntax->usage, syntax->about);
    for (unsigned i = 0; i < syntax->count; i++) {
        const struct option_row *row = &syntax->rows[i];

        if (row->type == OPTION_HEADING)
            fprintf(out, "\n%s\n", row->name);
        else
            help_row(out, row->name, row->letter,
                     row_is_alone(row)    ? NULL
                     : row->value != NULL ? row->value
                                          : "NOT EXPLAINED",
                     row->help);
    }
    help_row(out, "help", 'h', NULL, OPTIONS_HELP_SELF);
    if (syntax->version != NULL)
        help_row(out, "version", '\0', NULL, OPTIONS_HELP_VERSION);
    if (syntax->notes != NULL)
        fprintf(out, "\n%s", syntax->notes);
    if (syntax->more != NULL)
        syntax->more(out);
    fputs("\nExit status: ", out);
    help_words(out, sizeof "Exit status:", 0,
               syntax->exit_statuses != NULL ? syntax->exit_statuses : OPTIONS_EXIT_STATUSES);
}

/* ---- Parsing ---- */

/* The tables that getopt reads. */
struct getopt_tables {
    struct option names[OPTIONS_MAX + 3];
    char letters[2 * OPTIONS_MAX + 6];
};

static int tables_make(struct getopt_tables *tables, const struct options_syntax *syntax,
                       struct sp_error *error)
{
    struct option *next = tables->names;
    char *letter = tables->letters;

    if (syntax->count > OPTIONS_MAX)
        return error_set(error, E2BIG, "%s has more than %u options", syntax->program, OPTIONS_MAX);
    if (syntax->rest)
        *letter++ = '+';
    *letter++ = ':';
    *letter++ = 'h';
    for (unsigned i = 0; i < syntax->count; i++) {
        const struct option_row *row = &syntax->rows[i];
        bool alone = row_is_alone(row);

        if (row->type == OPTION_HEADING)
            continue;
        *next++ = (struct option){row->name, alone ? no_argument : required_argument, NULL,
                                  KEY_ROW + (int)i};
        if (row->letter != '\0')
            *letter++ = row->letter;
        if (row->letter != '\0' && !alone)
            *letter++ = ':';
    }
    *letter = '\0';
    *next++ = (struct option){"help", optional_argument, NULL, KEY_HELP};
    if (syntax->version != NULL)
        *next++ = (struct option){"version", no_argument, NULL, KEY_VERSION};
    *next = (struct option){NULL, 0, NULL, 0};
    return 0;
}

/* The row of what getopt returned, or NULL. */
static const struct option_row *row_of(const struct options_syntax *syntax, int key)
{
    if (key >= KEY_ROW)
        return &syntax->rows[key - KEY_ROW];
    for (unsigned i = 0; i < syntax->count; i++)
        if (syntax->rows[i].letter != '\0' && syntax->rows[i].letter == key)
            return &syntax->rows[i];
    return NULL;
}

/* The answer to an option of another program, by its name or, if that is NULL, its letter; NULL: there is none. */
static const char *answer_to(const struct options_syntax *syntax, const char *name, int letter)
{
    const struct option_elsewhere *other = syntax->elsewhere;

    for (; other != NULL && other->name != NULL; other++)
        if (name != NULL ? strcmp(other->name, name) == 0 : other->letter == letter)
            return other->here;
    return NULL;
}

/* getopt did not know `word`. */
static int unknown(const struct options_syntax *syntax, const char *word, struct sp_error *error)
{
    char name[64];
    struct nearest nearest = NEAREST_START(name);

    if (optopt >= KEY_HELP)
        return error_set(error, EINVAL, "%.60s: this option takes no value", word);
    if (optopt > 0) {
        const char *here = answer_to(syntax, NULL, optopt);

        return error_set(error, EINVAL, "unknown option -%c%s%s (see %s --help)", optopt,
                         here != NULL ? ": " : "", here != NULL ? here : "", syntax->program);
    }
    word += strspn(word, "-");
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    if (answer_to(syntax, name, 0) != NULL)
        return error_set(error, EINVAL, "unknown option --%s: %s (see %s --help)", name,
                         answer_to(syntax, name, 0), syntax->program);
    for (unsigned i = 0; i < syntax->count; i++)
        if (syntax->rows[i].type != OPTION_HEADING)
            nearest_offer(&nearest, syntax->rows[i].name);
    if (nearest.best != NULL)
        return error_set(error, EINVAL, "unknown option --%s: did you mean --%s? (see %s --help)",
                         name, nearest.best, syntax->program);
    return error_set(error, EINVAL, "unknown option --%s (see %s --help)", name, syntax->program);
}

/* What stands behind the options. */
static int take_operands(int argc, char **argv, const struct options_syntax *syntax, void *options,
                         struct sp_error *error)
{
    unsigned count = (unsigned)(argc - optind);
    int code = 0;

    if (syntax->operands == NULL)
        return count == 0
                   ? 0
                   : error_set(error, EINVAL, "unexpected argument \"%.100s\" (see %s --help)",
                               argv[optind], syntax->program);
    if (count < syntax->least)
        return error_set(error, EINVAL, "which %s? (see %s --help)", syntax->operands,
                         syntax->program);
    if (syntax->rest && count > 0)
        return syntax->operand(options, argv + optind, error);
    if (count > syntax->most)
        return error_set(error, EINVAL, "unexpected argument \"%.100s\" after %s (see %s --help)",
                         argv[optind + (int)syntax->most], syntax->operands, syntax->program);
    for (; optind < argc && code == 0; optind++)
        code = syntax->operand(options, argv + optind, error);
    return code;
}

/* Print the help in the form that was asked for; NULL: for people. True if there is such a form. */
static bool help_print(const struct options_syntax *syntax, const char *form, int *code,
                       struct sp_error *error)
{
    if (form == NULL)
        options_help(stdout, syntax);
    else if (strcmp(form, "lines") == 0)
        option_lines_print(stdout, syntax);
    else
        *code = error_set(error, EINVAL,
                          "--help: \"%.60s\" is not a form: leave it out, or say lines", form);
    return *code == 0;
}

enum options_verdict options_parse(int argc, char **argv, const struct options_syntax *syntax,
                                   void *options, struct sp_error *error)
{
    struct getopt_tables tables;
    int code = tables_make(&tables, syntax, error);
    int key;

    opterr = 0;
    optind = 0; /* forget what an earlier call has left: a GNU extension */
    while (code == 0 && (key = getopt_long(argc, argv, tables.letters, tables.names, NULL)) != -1) {
        switch (key) {
        case 'h':
        case KEY_HELP:
            if (help_print(syntax, key == 'h' ? NULL : optarg, &code, error))
                return OPTIONS_EXIT;
            break;
        case KEY_VERSION:
            printf("%s %s\n", syntax->program, syntax->version);
            return OPTIONS_EXIT;
        case ':':
            code = error_set(error, EINVAL, "%s needs a value (see %s --help)", argv[optind - 1],
                             syntax->program);
            break;
        case '?':
            code = unknown(syntax, argv[optind - 1], error);
            break;
        default:
            code = row_take(row_of(syntax, key), optarg, options, error);
        }
    }
    if (code == 0)
        code = take_operands(argc, argv, syntax, options, error);
    if (code == 0 && syntax->check != NULL)
        code = syntax->check(options, error);
    return code == 0 ? OPTIONS_RUN : OPTIONS_BAD;
}

#include "os/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"
#include "base/option.h"

/* What getopt returns: beyond all characters, and then the row's number. */
#define KEY_HELP    256
#define KEY_VERSION 257
#define KEY_ROW     258

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
    }
    return code;
}

static int table_make(struct option *table, const struct options_syntax *syntax,
                      struct sp_error *error)
{
    unsigned i;

    if (syntax->count > OPTIONS_MAX)
        return error_set(error, E2BIG, "%s has more than %u options", syntax->program, OPTIONS_MAX);
    for (i = 0; i < syntax->count; i++) {
        enum option_type type = syntax->rows[i].type;
        bool alone = type == OPTION_FLAG || type == OPTION_CALL_FLAG;

        table[i] = (struct option){syntax->rows[i].name, alone ? no_argument : required_argument,
                                   NULL, KEY_ROW + (int)i};
    }
    table[i++] = (struct option){"help", no_argument, NULL, KEY_HELP};
    if (syntax->version != NULL)
        table[i++] = (struct option){"version", no_argument, NULL, KEY_VERSION};
    table[i] = (struct option){NULL, 0, NULL, 0};
    return 0;
}

static int unknown(char **argv, struct sp_error *error)
{
    if (optopt > 0 && optopt < KEY_HELP)
        return error_set(error, EINVAL, "unknown option -%c (see --help)", optopt);
    return error_set(error, EINVAL, "bad option %s (see --help)", argv[optind - 1]);
}

enum options_verdict options_parse(int argc, char **argv, const struct options_syntax *syntax,
                                   void *options, struct sp_error *error)
{
    struct option table[OPTIONS_MAX + 3];
    int code = table_make(table, syntax, error);
    int key;

    opterr = 0;
    optind = 0; /* forget what an earlier call has left: a GNU extension */
    while (code == 0 && (key = getopt_long(argc, argv, ":", table, NULL)) != -1) {
        switch (key) {
        case KEY_HELP:
            fputs(syntax->help, stdout);
            return OPTIONS_EXIT;
        case KEY_VERSION:
            printf("%s %s\n", syntax->program, syntax->version);
            return OPTIONS_EXIT;
        case ':':
            code = error_set(error, EINVAL, "%s needs a value", argv[optind - 1]);
            break;
        case '?':
            code = unknown(argv, error);
            break;
        default:
            code = row_take(&syntax->rows[key - KEY_ROW], optarg, options, error);
        }
    }
    if (code == 0 && optind < argc)
        code = error_set(error, EINVAL, "unexpected argument \"%s\"", argv[optind]);
    if (code == 0 && syntax->check != NULL)
        code = syntax->check(options, error);
    return code == 0 ? OPTIONS_RUN : OPTIONS_BAD;
}

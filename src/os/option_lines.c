#include "os/option_lines.h"

#include <stdarg.h>
#include <stdlib.h>

#include "base/assert.h"

static void field(FILE *out, const char *text)
{
    fputc('\t', out);
    for (; *text != '\0'; text++)
        switch (*text) {
        case '\n':
            fputs("\\n", out);
            break;
        case '\t':
            fputs("\\t", out);
            break;
        case '\\':
            fputs("\\\\", out);
            break;
        default:
            fputc(*text, out);
        }
}

void option_lines_item(FILE *out, const char *key, ...)
{
    va_list fields;
    const char *text;

    ensure(out != NULL && key != NULL);
    fputs(key, out);
    va_start(fields, key);
    while ((text = va_arg(fields, const char *)) != NULL)
        field(out, text);
    va_end(fields);
    fputc('\n', out);
}

static void row_print(FILE *out, const struct option_row *row)
{
    const char letter[2] = {row->letter, '\0'};
    bool alone = row->type == OPTION_FLAG || row->type == OPTION_CALL_FLAG;

    check(row->name != NULL);
    if (row->type == OPTION_HEADING)
        option_lines_item(out, "heading", row->name, NULL);
    else
        option_lines_item(out, "option", row->name, letter,
                          alone || row->value == NULL ? "" : row->value,
                          row->help != NULL ? row->help : "", NULL);
}

/* What syntax->more prints, as an item. */
static void more_print(FILE *out, const struct options_syntax *syntax)
{
    char *text = NULL;
    size_t size;
    FILE *memory = open_memstream(&text, &size);

    if (memory == NULL)
        return;
    syntax->more(memory);
    if (fclose(memory) == 0)
        option_lines_item(out, "more", text, NULL);
    free(text);
}

void option_lines_print(FILE *out, const struct options_syntax *syntax)
{
    ensure(out != NULL && syntax->program != NULL);
    option_lines_item(out, "program", syntax->program, NULL);
    option_lines_item(out, "usage", syntax->usage, NULL);
    option_lines_item(out, "about", syntax->about, NULL);
    for (unsigned i = 0; i < syntax->count; i++)
        row_print(out, &syntax->rows[i]);
    option_lines_item(out, "option", "help", "h", "", OPTIONS_HELP_SELF, NULL);
    if (syntax->version != NULL)
        option_lines_item(out, "option", "version", "", "", OPTIONS_HELP_VERSION, NULL);
    if (syntax->notes != NULL)
        option_lines_item(out, "notes", syntax->notes, NULL);
    if (syntax->more != NULL)
        more_print(out, syntax);
    option_lines_item(out, "exit",
                      syntax->exit_statuses != NULL ? syntax->exit_statuses : OPTIONS_EXIT_STATUSES,
                      NULL);
    if (syntax->operands != NULL)
        option_lines_item(out, "operands", syntax->operands, NULL);
}

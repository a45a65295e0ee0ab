/* Lists of strings that grow. */
#include "launch/strings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Takes `text`, which is NULL when there was no memory for it. */
static void strings_take(struct strings *list, char *text)
{
    char **items = NULL;

    if (text != NULL && !list->failed)
        items = reallocarray(list->items, list->count + 2, sizeof *items);
    if (items == NULL) {
        free(text);
        list->failed = true;
        return;
    }
    items[list->count++] = text;
    items[list->count] = NULL;
    list->items = items;
}

void strings_add(struct strings *list, const char *text)
{
    strings_take(list, strdup(text));
}

void strings_format(struct strings *list, const char *format, ...)
{
    va_list arguments;
    char *text = NULL;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    strings_take(list, text);
}

void strings_add_all(struct strings *list, const char *const *items)
{
    for (; items != NULL && *items != NULL; items++)
        strings_add(list, *items);
}

void strings_set(struct strings *list, const char *name, const char *value)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < list->count; i++)
        if (strncmp(list->items[i], name, length) == 0 && list->items[i][length] == '=') {
            free(list->items[i]);
            memmove(&list->items[i], &list->items[i + 1],
                    (list->count - i) * sizeof *list->items); /* with the NULL at the end */
            list->count--;
            break;
        }
    if (value != NULL)
        strings_format(list, "%s=%s", name, value);
}

void strings_fini(struct strings *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct strings){0};
}

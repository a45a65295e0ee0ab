/* Lists of strings that grow: argument vectors and environments. */
#ifndef LAUNCH_STRINGS_H
#define LAUNCH_STRINGS_H

#include <stdbool.h>
#include <stddef.h>

#include <selfpage/error.h>

/* Filled with zeros it is an empty list. When memory runs out the list takes nothing more, and
 * `failed` stays set: check it once, at the end. */
struct strings {
    char **items; /* NULL-terminated once anything was added; owned, with what it points to */
    size_t count;
    bool failed;
};

/* Add a copy of `text`. */
void strings_add(struct strings *list, const char *text);

/* Add a formatted text. */
void strings_format(struct strings *list, const char *format, ...) SP_PRINTF(2, 3);

/* Add copies of a NULL-terminated array; NULL adds nothing. */
void strings_add_all(struct strings *list, const char *const *items);

/* In a list of NAME=VALUE: replace NAME's entry or add one; value NULL removes it. */
void strings_set(struct strings *list, const char *name, const char *value);

void strings_fini(struct strings *list);

#endif

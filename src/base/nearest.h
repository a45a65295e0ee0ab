/* The known word that a mistyped one is nearest to, for messages. */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include <stddef.h>

/* A search: begin with NEAREST_START, offer every known word, read `best`. */
struct nearest {
    const char *word;  /* as it was typed */
    const char *best;  /* the nearest known word; NULL: none is near */
    unsigned distance; /* of `best` */
};

/* Begin a search for `word`. */
#define NEAREST_START(typed) ((struct nearest){.word = (typed)})

/* Compare with a known word. A word is near if at most a third of its letters, and at most three, are
 * missing, added, changed or swapped. Words of more than 63 letters are never near. */
void nearest_offer(struct nearest *search, const char *known);

#endif

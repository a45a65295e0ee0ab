#include "base/nearest.h"

#include <string.h>

#define LETTERS_MAX 63u

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Letters that have to be added, removed, changed or swapped with their neighbour to make one word of
 * the other (optimal string alignment). */
static unsigned distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    unsigned rows[3][LETTERS_MAX + 1]; /* of the lines for i - 2, i - 1 and i letters of `a` */

    for (size_t k = 0; k <= b_length; k++)
        rows[0][k] = (unsigned)k;
    for (size_t i = 1; i <= a_length; i++) {
        unsigned *now = rows[i % 3], *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];

        now[0] = (unsigned)i;
        for (size_t k = 1; k <= b_length; k++) {
            now[k] = above[k - 1] + (a[i - 1] != b[k - 1]);
            now[k] = least(now[k], least(above[k], now[k - 1]) + 1);
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
                now[k] = least(now[k], before[k - 2] + 1);
        }
    }
    return rows[a_length % 3][b_length];
}

void nearest_offer(struct nearest *search, const char *known)
{
    size_t typed = strlen(search->word), length = strlen(known);
    unsigned limit, found;

    if (typed > LETTERS_MAX || length > LETTERS_MAX)
        return;
    limit = least(3, (unsigned)(length > typed ? length : typed) / 3);
    found = distance(search->word, typed, known, length);
    if (found > limit || (search->best != NULL && found >= search->distance))
        return;
    search->best = known;
    search->distance = found;
}

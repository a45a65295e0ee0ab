/* An input as a text that ends with a NUL. */
#ifndef TESTS_FUZZ_TEXT_INPUT_H
#define TESTS_FUZZ_TEXT_INPUT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* For free(). */
static inline char *text_of(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    if (text == NULL)
        abort();
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

#endif

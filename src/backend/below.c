/* What filters share. */
#include "backend/below.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"

/* Bytes of the options at the head of a place; 0: there are none. */
static size_t options_length(const char *place)
{
    const char *colon = strchr(place, ':');
    size_t length = colon == NULL ? 0 : (size_t)(colon - place);

    return memchr(place, '=', length) != NULL ? length : 0;
}

const char *below_device(const char *place)
{
    size_t length = options_length(place);

    return length == 0 ? place : place + length + 1;
}

int below_options(const char *owner, const struct sp_policy_param *params, const char *place,
                  double *values, struct sp_error *error)
{
    char *text = strndup(place, options_length(place));
    int code;

    if (text == NULL)
        return error_set(error, ENOMEM, "no memory for the options of %s:", owner);
    code = params_parse("swap backend", owner, params, text, values, error);
    free(text);
    return code;
}

int below_open(struct below *below, const struct swap_backend_wish *wish, const char *device,
               uint32_t pages, struct sp_error *error)
{
    struct swap_backend_wish inner = *wish;
    int code;

    ensure(below->backend == NULL && pages >= 1);
    below->backend = wish->find(device, &inner.place);
    if (below->backend == NULL)
        return error_set(error, EINVAL, "\"%s\" begins with no backend and colon, as in file:PATH",
                         device);
    inner.pages = pages;
    code = below->backend->open(&below->device, &inner, &below->facts, error);
    if (code < 0)
        below->backend = NULL;
    return code;
}

int below_finish(struct below *below, struct sp_error *error)
{
    ensure(below->backend != NULL);
    return below->backend->finish(below->device, &below->facts, error);
}

void below_discard(const struct below *below, uint32_t page, uint32_t count)
{
    if (below->backend->discard != NULL)
        below->backend->discard(below->device, page, count);
}

void below_count(const struct below *below, struct swap_backend_counts *counts)
{
    if (below->backend->count != NULL)
        below->backend->count(below->device, counts);
}

void below_close(struct below *below)
{
    if (below->backend != NULL)
        below->backend->close(below->device);
    *below = (struct below){0};
}

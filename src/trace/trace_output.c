#include "trace/trace_output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "trace/format.h"

static const struct trace_format *const formats[] = {
#define FORMAT(name) &format_##name,
    TRACE_FORMATS(FORMAT)
#undef FORMAT
};

#define FORMATS (sizeof(formats) / sizeof(formats[0]))

static bool is(const char *name, const char *text, size_t length)
{
    return strlen(name) == length && strncasecmp(name, text, length) == 0;
}

/* By its name, or by an extension of its files. */
static const struct trace_format *find(const char *text, size_t length)
{
    for (size_t i = 0; i < FORMATS; i++) {
        if (is(formats[i]->name, text, length))
            return formats[i];
        for (const char *const *e = formats[i]->extensions; e != NULL && *e != NULL; e++)
            if (is(*e, text, length))
                return formats[i];
    }
    return NULL;
}

/* Any part of the file's name between dots counts, the last one most. */
static const struct trace_format *find_by_path(const char *path)
{
    const char *base = strrchr(path, '/'), *dot = strchr(base != NULL ? base : path, '.');
    const struct trace_format *format = &format_native;

    for (; dot != NULL; dot = strchr(dot + 1, '.')) {
        const struct trace_format *found = find(dot + 1, strcspn(dot + 1, "."));

        format = found != NULL ? found : format;
    }
    return format;
}

static bool format_writes(const struct trace_format *format)
{
    return format->put != NULL || format->add != NULL;
}

int trace_output_choose(const char *name, const char *path, struct trace_output_choice *choice,
                        struct sp_error *error)
{
    char known[100] = "";

    choice->filter = sink_filter_of(path);
    choice->format = name != NULL ? find(name, strlen(name)) : find_by_path(path);
    if (choice->format != NULL && format_writes(choice->format))
        return 0;
    for (size_t i = 0; i < FORMATS; i++)
        if (format_writes(formats[i])) {
            strncat(known, known[0] != '\0' ? ", " : "", sizeof(known) - strlen(known) - 1);
            strncat(known, formats[i]->name, sizeof(known) - strlen(known) - 1);
        }
    return error_set(error, EINVAL, "'%.40s' is no format that can be written; these are: %s",
                     name != NULL ? name : choice->format->name, known);
}

bool trace_output_needs_future(const struct trace_output_choice *choice)
{
    return choice->format->needs_future;
}

int trace_output_init(struct trace_output *output, const struct trace_output_choice *choice, int fd,
                      const char *name, uint32_t page_size, struct sp_error *error)
{
    int result;

    *output = (struct trace_output){.format = choice->format, .page_size = page_size};
    output->state = calloc(1, choice->format->output_state_size + 1);
    if (output->state == NULL)
        return error_set(error, ENOMEM, "%s: no memory for writing", name);
    result = sink_init(&output->sink, fd, name, choice->filter, error);
    if (result == 0 && choice->format->begin_output != NULL)
        result = choice->format->begin_output(output, error);
    return result;
}

int trace_output_add(struct trace_output *output, const struct trace_reference *reference,
                     struct sp_error *error)
{
    int result = 0;

    if (output->format->add != NULL) {
        result = output->format->add(output, reference, error);
    } else {
        uint8_t *at = sink_room(&output->sink, SINK_PIECE, error);

        if (at == NULL)
            return -EIO;
        sink_put(&output->sink, output->format->put(output, at, reference));
    }
    output->written++;
    return result;
}

int trace_output_finish(struct trace_output *output, uint64_t pages, struct sp_error *error)
{
    int result = 0;

    if (output->format->flush_output != NULL)
        result = output->format->flush_output(output, error);
    if (result == 0)
        result = sink_finish(&output->sink, error);
    if (result == 0 && output->format->end_output != NULL)
        result = output->format->end_output(output, pages, error);
    return result;
}

void trace_output_fini(struct trace_output *output)
{
    if (output->state != NULL && output->format->fini_output != NULL)
        output->format->fini_output(output);
    free(output->state);
    output->state = NULL;
    sink_fini(&output->sink);
}

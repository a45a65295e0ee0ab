/* The bytes of a trace: from a file, a pipe or memory, plain or compressed (unpack.h), which is seen
 * by their magic number. A reader looks at the window [at, end), moves `at` on, and asks for more.
 */
#ifndef TRACE_SOURCE_H
#define TRACE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <selfpage/error.h>

/* The window's size in bytes: nothing that a reader must see in one piece may be longer. */
#define SOURCE_WINDOW (64u << 10)

/* How many times over a trace may be compressed. */
#define SOURCE_LAYERS 4u

struct unpack;

/* Where the bytes come from. */
struct source_origin {
    const char *path;  /* a file, or "-" for standard input; NULL: one of the following */
    const void *bytes; /* memory, `size` bytes; NULL: fd */
    size_t size;
    int fd;    /* a descriptor that the caller owns, called `name` in messages */
    int until; /* with fd: a descriptor that becomes readable when nothing more will be written to
                  fd: then the bytes end once fd has none left; -1: they end where fd ends */
    const char *name;
};

struct source {
    const uint8_t *at;  /* next byte */
    const uint8_t *end; /* behind the last byte of the window */
    const char *name;   /* for messages: a path, or "standard input" */
    bool seekable;      /* source_rewind works */
    bool compressed;
    bool ended;     /* nothing comes after the window */
    uint64_t size;  /* stored bytes; 0: not known */
    uint64_t taken; /* stored bytes read so far */
    /* Private. */
    struct source_origin origin;
    int fd; /* -1: memory */
    bool owns_fd;
    off_t start; /* where in the file the trace begins */
    uint8_t *window;
    struct unpack *unpack[SOURCE_LAYERS]; /* each reads what the one in front of it decompressed */
    unsigned layers;                      /* 0: not compressed */
};

/* Open the source, whose texts and bytes must outlive the input, and look at its first bytes.
 * Release with source_fini in any case. Returns 0, or a negative errno and an error. */
int source_open(struct source *source, const struct source_origin *origin, struct sp_error *error);

void source_fini(struct source *source);

/* Add bytes to the window: the remainder moves to its front, and pointers into it die. Returns the
 * number of bytes added, 0 at the end, -EMSGSIZE if the window is full, or what went wrong. */
ssize_t source_more(struct source *source, struct sp_error *error);

/* See that at least `size` bytes are in the window. Returns 1, 0 (fewer come before the end), or a
 * negative errno. */
static inline int source_need(struct source *source, size_t size, struct sp_error *error)
{
    while ((size_t)(source->end - source->at) < size) {
        ssize_t added = source_more(source, error);

        if (added <= 0)
            return (int)added;
    }
    return 1;
}

/* Begin again. -ESPIPE if the input is not seekable. */
int source_rewind(struct source *source, struct sp_error *error);

#endif

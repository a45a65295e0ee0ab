/* The bytes of a trace: from a file, a pipe or memory, plain or compressed by zstd (which is seen
 * by its magic number). A reader looks at the window [at, end), moves `at` on, and asks for more.
 */
#ifndef TRACE_INPUT_H
#define TRACE_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <selfpage/error.h>

/* The window's size in bytes: nothing that a reader must see in one piece may be longer. */
#define INPUT_WINDOW (64u << 10)

struct ZSTD_DCtx_s;

struct input {
    const uint8_t *at;  /* next byte */
    const uint8_t *end; /* behind the last byte of the window */
    const char *name;   /* for messages: a path, or "standard input" */
    bool seekable;      /* input_rewind works */
    bool compressed;
    bool ended;     /* nothing comes after the window */
    uint64_t size;  /* stored bytes; 0: not known */
    uint64_t taken; /* stored bytes read so far */
    /* Private. */
    int fd; /* -1: memory */
    bool owns_fd;
    off_t start; /* where in the file the trace begins */
    const uint8_t *memory;
    uint8_t *window;
    struct ZSTD_DCtx_s *zstd;
    uint8_t *packed; /* stored bytes that are still to be decompressed */
    size_t packed_at, packed_end;
    bool mid_frame; /* the decompressor waits for more */
};

/* Open the file `path`, or standard input for "-", and look at its first bytes. `path` must outlive
 * the input. Release with input_fini in any case. Returns 0 or a negative errno. */
int input_open(struct input *input, const char *path, struct sp_error *error);

/* The same over `size` bytes of memory, which must outlive the input. */
int input_open_memory(struct input *input, const void *bytes, size_t size, struct sp_error *error);

void input_fini(struct input *input);

/* Add bytes to the window: the remainder moves to its front, so that pointers into it die. Returns
 * the number of bytes added, 0 at the end, -EMSGSIZE if the window is full, or what went wrong. */
ssize_t input_more(struct input *input, struct sp_error *error);

/* See that at least `size` bytes are in the window. Returns 1, 0 (fewer come before the end), or a
 * negative errno. */
static inline int input_need(struct input *input, size_t size, struct sp_error *error)
{
    while ((size_t)(input->end - input->at) < size) {
        ssize_t added = input_more(input, error);

        if (added <= 0)
            return (int)added;
    }
    return 1;
}

/* Begin again. -ESPIPE if the input is no seekable one. */
int input_rewind(struct input *input, struct sp_error *error);

#endif

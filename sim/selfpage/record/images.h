/* What several programs refer to, each under Valgrind, while they run: Valgrind's tool lackey writes the
 * lines of each process to a file of its own in one folder, the file's name being its process id.
 *
 * An image is a program in a process: a process that executes another program empties its file, and has a
 * new image from then on, with other pages. A child that was forked is an image of its own from the fork on.
 * Lines are taken as they come, so that of programs that run at a time now one and now the other has its turn.
 *
 * WHAT LIES ON THE DISK? What was read is freed at once; a process that is far ahead is stopped (SIGSTOP) until
 * its lines have been read. */
#ifndef SELFPAGE_RECORD_IMAGES_H
#define SELFPAGE_RECORD_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <selfpage/error.h>

#include "trace/trace.h"

/* Bytes of text that are read at a time. */
#define IMAGES_SLICE (64u << 10)

struct image;

struct images {
    char *folder; /* where the files are */
    const struct trace_options *options;
    int ended;            /* a descriptor that becomes readable when the program has ended */
    struct image *images; /* those whose process may still write, or has written */
    size_t count, room;
    size_t turn;       /* whose text was read last */
    uint64_t numbered; /* images that had a number so far */
    struct trace trace;
    bool open; /* `trace` is a slice of text, of the image with the number `number` */
    uint64_t number;
    bool closing; /* the program has ended */
    char *slice;  /* IMAGES_SLICE bytes, and as many as are compared */
};

/* Make the folder. `options` outlive the images. Release with images_fini in any case. Returns 0 or a negative errno and an
 * error. */
int images_init(struct images *images, const struct trace_options *options, struct sp_error *error);

/* Read up to `most` references, as trace_read does: waits until there are some, or the program and everything that was
 * written until then has ended. The ids of the i-th image, from 0, are told apart as strands_id does. Errors also when a
 * file cannot be read. */
ssize_t images_read(void *images, struct trace_reference *references, size_t most,
                    struct sp_error *error);

/* Send a signal to every process that is recorded. */
void images_signal(const struct images *images, int number);

/* Release all, and remove the folder. What processes that still run write from now on is thrown away by a process that is
 * left behind for that, and ends with them. */
void images_fini(struct images *images);

#endif

/* The stored bytes of a compressed trace, a piece at a time, and what a decompressor says that cannot
 * make anything of them. */
#ifndef TRACE_INTAKE_H
#define TRACE_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <selfpage/error.h>

/* Bytes that are asked for at a time. */
#define INTAKE_PIECE (64u << 10)

/* The next stored bytes: puts up to `room` of them at `to`. Returns how many, 0 at the end, or a
 * negative errno and an error. */
typedef ssize_t intake_source(void *context, uint8_t *to, size_t room, struct sp_error *error);

struct intake {
    const char *name; /* for messages */
    intake_source *source;
    void *context;
    size_t first;           /* bytes in `bytes` that are the file's first, and not yet handed out */
    size_t size;            /* of the last piece handed out */
    uint64_t total;         /* bytes handed out */
    bool ended;             /* the source has no more */
    struct sp_error failed; /* what the source said, if failed.code != 0 */
    uint8_t bytes[INTAKE_PIECE];
};

/* Begin. `first`, `size` bytes that are copied (at most a piece), come before what the source gives.
 * `name` and `context` must outlive it. */
void intake_init(struct intake *intake, const char *name, const uint8_t *first, size_t size,
                 intake_source *source, void *context);

/* The next piece, in `bytes` until the next call. Returns its size, 0 at the end, or what the source
 * returned, which is then in `failed`. */
ssize_t intake_next(struct intake *intake);

/* A decompressor gave up, for the reason `why`: says that the file is cut short if it wanted more
 * bytes than there are, and that it is damaged otherwise; what the source said comes first. Returns
 * -EILSEQ, or what the source returned. */
int intake_refuse(const struct intake *intake, const char *why, struct sp_error *error);

/* The compressed data ended `rest` bytes before the end of what was handed out: sees that these and all
 * that come are zeros, which some programs fill files up with. Returns 0, -EILSEQ, or what the source
 * returned. */
int intake_finish(struct intake *intake, uint64_t rest, struct sp_error *error);

#endif

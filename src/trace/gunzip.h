/* Decompressing gzip, by zlib, which checks the sum and the length at the end of each member: the filter
 * of libarchive leaves them unread. A file may have several members, and zeros behind the last. */
#ifndef TRACE_GUNZIP_H
#define TRACE_GUNZIP_H

#include <zlib.h>

#include "trace/intake.h"

struct gunzip {
    struct intake *intake;
    bool between; /* behind a member */
    bool ended;   /* and behind all that may follow it */
    z_stream stream;
};

/* True if a file that begins with these bytes is compressed by gzip. */
bool gunzip_can(const uint8_t *bytes, size_t size);

/* Begin at the first byte of `intake`, which must outlive it. Release with gunzip_fini in any case.
 * Returns 0 or -ENOMEM. */
int gunzip_init(struct gunzip *gunzip, struct intake *intake, struct sp_error *error);

/* Put up to `room` bytes at `to`. Returns how many, 0 at the end, -EILSEQ (damaged, or cut short),
 * -ENOMEM, or what the source returned. */
ssize_t gunzip_read(struct gunzip *gunzip, uint8_t *to, size_t room, struct sp_error *error);

/* May be called for a gunzip that is all zeros. */
void gunzip_fini(struct gunzip *gunzip);

#endif

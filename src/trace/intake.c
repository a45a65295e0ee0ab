#include "trace/intake.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"

void intake_init(struct intake *intake, const char *name, const uint8_t *first, size_t size,
                 intake_source *source, void *context)
{
    ensure(size <= INTAKE_PIECE);
    intake->name = name;
    intake->source = source;
    intake->context = context;
    intake->first = size;
    intake->size = 0;
    intake->total = 0;
    intake->ended = false;
    intake->failed.code = 0;
    memcpy(intake->bytes, first, size);
}

ssize_t intake_next(struct intake *intake)
{
    ssize_t got = (ssize_t)intake->first;

    intake->first = 0;
    if (intake->ended)
        return 0;
    if (got == 0)
        got = intake->source(intake->context, intake->bytes, INTAKE_PIECE, &intake->failed);
    ensure(got >= 0 ? got <= (ssize_t)INTAKE_PIECE : intake->failed.code != 0);
    if (got == 0)
        intake->ended = true;
    intake->size = got > 0 ? (size_t)got : 0;
    intake->total += intake->size;
    return got;
}

int intake_refuse(const struct intake *intake, const char *why, struct sp_error *error)
{
    if (intake->failed.code != 0) {
        *error = intake->failed;
        return -error->code;
    }
    return error_set(error, EILSEQ,
                     "%s: cannot be decompressed: it is %s (%s), in its first %llu bytes",
                     intake->name, intake->ended ? "cut short" : "damaged", why,
                     (unsigned long long)intake->total);
}

/* Bytes that lie in the last piece but one are gone, and count as others than zeros: libarchive looks ahead
 * by a few bytes only. */
int intake_finish(struct intake *intake, uint64_t rest, struct sp_error *error)
{
    static const uint8_t zeros[INTAKE_PIECE];

    ensure(intake->size <= INTAKE_PIECE);
    while (rest <= intake->size &&
           memcmp(intake->bytes + (intake->size - rest), zeros, (size_t)rest) == 0) {
        ssize_t got = intake_next(intake);

        if (got == 0)
            return 0;
        if (got < 0)
            return intake_refuse(intake, "", error);
        rest = (uint64_t)got;
    }
    return error_set(
        error, EILSEQ,
        "%s: cannot be decompressed: what follows the compressed data is neither more of it "
        "nor zeros. The file is damaged, or something was appended to it",
        intake->name);
}

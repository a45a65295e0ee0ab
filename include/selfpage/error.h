/* Selfpage: how functions of the library report what went wrong.
 *
 * Functions that can fail return 0 (or a count) on success and a negated errno value on failure.
 * Those that can say more than a number take a `struct sp_error *`, which may be NULL, and fill it
 * on failure with one line for a person: what was wrong, where, and what to do about it. */
#ifndef SELFPAGE_ERROR_H
#define SELFPAGE_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SP_EXPORT              __attribute__((visibility("default")))
#define SP_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define SP_EXPORT
#define SP_PRINTF(text, first)
#endif

/** Longest message, with its terminating NUL, in bytes. */
#define SP_ERROR_TEXT 512

/** A failure, for programs (`code`) and for people (`text`). Owned by the caller. */
struct sp_error {
    int code;                 /**< errno value, positive; 0 when nothing failed */
    char text[SP_ERROR_TEXT]; /**< one line, no newline at its end */
};

#ifdef __cplusplus
}
#endif
#endif

/* From an address in a process that may have ended to a line of source, by what its files say of themselves:
 * programs at fixed or random addresses, shared objects, functions that were inlined, and information that lies
 * apart (/usr/lib/debug by build ID or by link). */
#ifndef SYMBOLS_SYMBOLS_H
#define SYMBOLS_SYMBOLS_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/error.h>

struct symbols;

/* Texts last until symbols_close. */
struct symbols_place {
    const char *function; /* the innermost, inlined or not; NULL: not known */
    const char *within;   /* the function that it was inlined into; NULL: it was not */
    const char *file;     /* as the compiler was told; NULL: no line is known */
    int line;
};

/* Can this build find lines at all? */
bool symbols_available(void);

/* 0 or -ENOMEM, with an error. */
int symbols_open(struct symbols **symbolsp, struct sp_error *error);

/* The process had `path` mapped with its byte at `offset` at address `first`, and that is code. NULL, or why
 * nothing will be found there: the file is gone, is none of ELF, or is not the one that was mapped. */
const char *symbols_add(struct symbols *symbols, const char *path, uint64_t first, uint64_t offset);

/* Fill in what is known of an address; all of it may be unknown. Call after all files were added. */
void symbols_find(struct symbols *symbols, uint64_t code, struct symbols_place *place);

/* NULL or a pointer to NULL does nothing. */
void symbols_close(struct symbols **symbolsp);

#endif

/* The private directory of a run: sockets, the swap file, and what the tasks write. */
#ifndef LAUNCH_DIRECTORY_H
#define LAUNCH_DIRECTORY_H

#include <stdbool.h>

#include <selfpage/error.h>

/* Bytes of a Unix socket's path without its NUL. */
#define DIRECTORY_SOCKET_MAX 107

/* Names in the directory. */
#define DIRECTORY_PHYSMEM   "physmem.sock"
#define DIRECTORY_SWAP      "swap.sock"
#define DIRECTORY_SWAP_FILE "swap.img"
#define DIRECTORY_FILES     "files.sock"

/* Every path that is put into struct directory has room for these names. */
struct directory {
    char path[DIRECTORY_SOCKET_MAX + 1];    /* absolute */
    char physmem[DIRECTORY_SOCKET_MAX + 1]; /* path of physmem's socket */
    char swap[DIRECTORY_SOCKET_MAX + 1];    /* path of swap's socket */
    char swap_file[DIRECTORY_SOCKET_MAX + 1];
    char files[DIRECTORY_SOCKET_MAX + 1]; /* path of the file server's socket */
    int fd;                               /* open and locked while it is in use; -1: none */
    bool keep;      /* the user chose it: only sockets and swap file are removed at the end */
    bool keep_swap; /* the swap file too stays in a directory that is kept */
};

/* Make a directory, mode 0700: `chosen`, which is made if missing and kept at the end, or, if that
 * is NULL, a new one in the first of $XDG_RUNTIME_DIR, $TMPDIR and /tmp that can be written.
 * -ENAMETOOLONG: there is no room for the sockets. -EBUSY: another run uses `chosen`. */
int directory_make(struct directory *directory, const char *chosen, struct sp_error *error);

/* Remove what `keep` and `keep_swap` do not preserve. Returns 0 or the first error.
 * Async-signal-safe. */
int directory_remove(const struct directory *directory);

/* Let go of the lock; removes nothing. */
void directory_fini(struct directory *directory);

#endif

/* A file that has its name only once it is complete: until then what was there before stays. On
 * most file systems nothing is left behind either, whatever ends the process.
 *
 * The happy path: new_file_open, writing to file.fd, new_file_finish. On any error, and after
 * new_file_finish too: new_file_fini, which does nothing where new_file_open has failed. */
#ifndef OS_NEW_FILE_H
#define OS_NEW_FILE_H

#include <stdbool.h>

#include <selfpage/error.h>

struct new_file {
    int fd; /* to write to; -1: not open */
    /* Private. */
    bool direct; /* there is something that is not a regular file, which is written to as it is */
    char *path;  /* with every link followed */
    char *name;  /* the one that it has until it is complete; NULL: none */
};

/* Begin the file `path`. A link stays one, and what it leads to is replaced; what is there and no
 * regular file (a pipe, a device) is written to directly. Returns 0, or a negative errno and an
 * error that names the path: it cannot be made or replaced (-EISDIR, -EACCES, -ENOENT, -EROFS,
 * ...), or there is no memory. */
int new_file_open(struct new_file *file, const char *path, struct sp_error *error);

/* All is written: give the file its name, in place of what was there. Returns 0 or a negative errno
 * and an error. */
int new_file_finish(struct new_file *file, struct sp_error *error);

/* Close it. Without new_file_finish, nothing is left of it. */
void new_file_fini(struct new_file *file);

/* True if `path` leads to the regular file that is open as `fd`. */
bool new_file_is(const char *path, int fd);

/* True if `path` leads to the same regular file as `input`, a path too, or "-" for standard input. */
bool new_file_is_input(const char *path, const char *input);

/* True if both are open on the same regular file. */
bool new_file_same(int fd, int other);

#endif

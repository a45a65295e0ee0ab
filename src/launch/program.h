/* Where the programs of Selfpage are. */
#ifndef LAUNCH_PROGRAM_H
#define LAUNCH_PROGRAM_H

#include <stddef.h>

#include <selfpage/error.h>

/* Find the executable file `name`: in `directory` if that is not NULL, else in $SELFPAGE_BINDIR if
 * set, else in the directory of the running program, else in the directories of PATH that have a full path
 * (what is called by hand there and what is started by itself are of one version), else where programs were configured to be
 * installed. Returns 0 and the path, or -ENOENT and an error that names the places searched, or
 * -ENAMETOOLONG. */
int program_find(const char *directory, const char *name, char *path, size_t size,
                 struct sp_error *error);

/* The directory that program_find would find selfpage-physmem in. Same returns. */
int program_directory(const char *directory, char *path, size_t size, struct sp_error *error);

#endif

/* Files below the root, as a session has them open. */
#ifndef FILESERVER_FILES_H
#define FILESERVER_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "cache.h"
#include "wire/schema.h"

/* A regular file; or a directory, whose contents are a list: for each entry a letter (f: a file, d:
 * a directory, o: anything else, also a link), its name, and a NUL. */
struct file {
    int fd;       /* -1: a directory */
    bool distant; /* to look at it may take long: its file system is no device of this machine */
    bool writable;
    char *list;
    uint64_t size;
    struct chunk_key key; /* of its first chunk */
};

/* Open what a path names below the directory `root` with flags WIRE_FILE_*; no link or ".." leads
 * out of there. Returns 0 or a negative errno: of open(2); -EXDEV: it leads out; -EOPNOTSUPP: it is
 * neither a file nor a directory. In any thread. */
int files_open(int root, const char *path, unsigned flags, struct file *file);
void files_close(struct file *file);

/* The same to read a regular file, if that takes no time, since the kernel has the path at hand and the file is on the
 * root's own device; -EAGAIN otherwise. */
int files_open_now(int root, const char *path, struct file *file);

/* Whether the state of an open file is looked at in no time. */
bool files_near(int fd);

/* Look again at what the file is now: its size, and the key. Returns 0 or a negative errno. */
int files_look(struct file *file);

/* Read a chunk of it, up to CHUNKS_PAGES pages. Returns the bytes, or a negative errno. files_read_now takes no time, and
 * returns -EAGAIN if the kernel does not have all of it at hand. */
int64_t files_read_now(const struct file *file, uint64_t number, char *buffer);
int64_t files_read(const struct file *file, uint64_t number, char *buffer);

/* Write bytes to it. Returns how many, fewer if the device is full or a limit is met, or a negative
 * errno. */
int64_t files_write(const struct file *file, uint64_t offset, const char *bytes, size_t count);

#endif

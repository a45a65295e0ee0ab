/* Selfpage: files, through a file server that owns no memory: selfpage-fileserver.
 *
 *   struct sp_files *files;
 *   struct sp_file_info info;
 *   sp_files_connect(task, NULL, &files, &error);
 *   sp_file_open(files, "notes/today.txt", &info, &error);
 *   count = sp_file_read(files, info.file, 0, buffer, sizeof(buffer), &error);
 *
 * The memory that a file is read to is the task's own: a container of SP_FILES_BUFFER pages, which
 * counts against its contracts, shared with the server by a weak reference. The server copies
 * there, logically, from its page cache; after somebody has read a page once, its bytes move no more. A
 * write goes the other way: the server copies the pages logically from the task's container, and writes
 * the copy to the file. A server that lies can only give wrong contents; one that
 * hangs fails what it was asked for when its lock is over.
 *
 * Functions return 0 or a count, or a negated errno value, and tell it in words in `error`, which
 * may be NULL:
 *   -EPIPE     the file server is gone (connect again), or physmem is
 *   -EBADF     no such file is open
 *   -EBUSY     the server keeps the container locked: it can for five seconds at most
 *   -ESTALE    the container was touched while the server used it: try again
 *   -ENOMEM    no frames within what the contracts allow, or the server has none for its cache now:
 *   try again
 * and those that are named below. One connection is used by one thread at a time. */
#ifndef SELFPAGE_FILE_H
#define SELFPAGE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include <selfpage/error.h>
#include <selfpage/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Pages of a task's that a connection uses. */
#define SP_FILES_BUFFER 16u

/** Longest path of a file, in bytes, without a NUL. */
#define SP_FILE_PATH_MAX 1023u

/** A connection to a file server. */
struct sp_files;

/** What a name stands for. */
enum sp_file_form {
    SP_FILE_REGULAR = 0,
    SP_FILE_DIRECTORY =
        1, /**< its contents are a list: for each entry a letter, `f` for a file, `d` for a directory,
                            * `o` for anything else (also a link), then its name, then a NUL; in no order */
};

/** An open file. */
struct sp_file_info {
    uint32_t file; /**< its number, for the functions below; from 1 */
    enum sp_file_form form;
    uint64_t size; /**< in bytes, when it was opened */
};

/** Connect to a file server, and allocate the buffer.
 *  \param path    its socket; NULL: the environment variable SELFPAGE_FILES
 *  \param filesp  set on success; ended by sp_files_disconnect, before sp_detach
 *  \retval -EINVAL        no path, and SELFPAGE_FILES is not set
 *  \retval -ENOENT        there is no such socket
 *  \retval -ECONNREFUSED  nobody listens there
 *  \retval -EPROTO        this is not a file server, or it speaks another version of the protocol */
SP_EXPORT int sp_files_connect(struct sp_task *task, const char *path, struct sp_files **filesp,
                               struct sp_error *error);

/** Close all files and the connection, and give the buffer back. *filesp becomes NULL; it may be
 *  NULL before. */
SP_EXPORT void sp_files_disconnect(struct sp_files **filesp);

/** Open a file or a directory for reading.
 *  \param path   below the server's root, as "a/b"; "" or "." is the root itself
 *  \param infop  set on success
 *  \retval -ENOENT, -EACCES, -ENOTDIR, -ELOOP  as of open(2), at the server
 *  \retval -EXDEV         the path leads out of the root: absolute, or by ".." or a link
 *  \retval -EOPNOTSUPP    neither a file nor a directory
 *  \retval -EMFILE        64 files are open, or 4 directories
 *  \retval -ENAMETOOLONG  over SP_FILE_PATH_MAX bytes */
SP_EXPORT int sp_file_open(struct sp_files *files, const char *path, struct sp_file_info *infop,
                           struct sp_error *error);

#define SP_FILE_WRITE     1u /**< the file will be written; it can be read, too */
#define SP_FILE_CREATE    2u /**< make it if it is not there, with mode 0666 less the server's umask */
#define SP_FILE_EXCLUSIVE 4u /**< with SP_FILE_CREATE: it must not be there */
#define SP_FILE_TRUNCATE  8u /**< it is empty then */

/** Open a file for writing. As sp_file_open, and:
 *  \param flags  SP_FILE_WRITE, and others of SP_FILE_*; 0: as sp_file_open
 *  \retval -EINVAL  no such flags, others without SP_FILE_WRITE, or SP_FILE_EXCLUSIVE alone
 *  \retval -EROFS   the server was told to let nobody write, or the file system is read only
 *  \retval -EEXIST  it is there, and SP_FILE_EXCLUSIVE was said
 *  \retval -EISDIR  it is a directory */
SP_EXPORT int sp_file_open_as(struct sp_files *files, const char *path, unsigned flags,
                              struct sp_file_info *infop, struct sp_error *error);

/** Close a file. */
SP_EXPORT int sp_file_close(struct sp_files *files, uint32_t file, struct sp_error *error);

/** Read bytes of a file as it is now, from `offset` on, to `buffer`.
 *  \return  the number of bytes; fewer than `size` only at the end of the file
 *  \retval -EFBIG  offset is beyond 2^44 bytes
 *  \retval -EIO    and others of read(2), at the server */
SP_EXPORT int64_t sp_file_read(struct sp_files *files, uint32_t file, uint64_t offset, void *buffer,
                               size_t size, struct sp_error *error);

/** Find a hole of a file: where nothing was ever written, and zeros are read, as lseek(2) with SEEK_HOLE does
 *  at the server. What a hole is, its file system decides.
 *  \param offset  from where on, in bytes
 *  \return  the first byte at or behind `offset` that lies in a hole; the size of the file if there is none
 *  \retval -ENXIO   the file ends at `offset` or before
 *  \retval -EISDIR  it is a directory
 *  \retval -EFBIG   `offset` is beyond 2^63 bytes */
SP_EXPORT int64_t sp_file_seek_hole(struct sp_files *files, uint32_t file, uint64_t offset,
                                    struct sp_error *error);

/** Write bytes to a file from `offset` on, which may be beyond its end: what is between becomes
 *  zeros. Others who read the file from then on read them, also before sp_file_sync. Needs as many
 *  fresh frames as pages are written at a time, at most SP_FILES_BUFFER, in place of those of the
 *  buffer. Writes of at most 64 KiB that do not cross a multiple of that are one write(2) at the
 *  server. While another program than the server changes the same file, what readers see is undefined.
 *  \return  the number of bytes; fewer than `size` if an error came after them
 *  \retval -EBADF   the file was not opened with SP_FILE_WRITE
 *  \retval -EFBIG   beyond 2^44 bytes, or what the file system permits
 *  \retval -ENOSPC, -EDQUOT, -EIO  and others of write(2), at the server */
SP_EXPORT int64_t sp_file_write(struct sp_files *files, uint32_t file, uint64_t offset,
                                const void *buffer, size_t size, struct sp_error *error);

/** Bring what was written to a file before, by anybody, to its device, as fsync(2) at the server:
 *  when this returns 0 it survives a crash of the server's machine. Without it, it survives the end
 *  of this task and of the server only. That a file that was made is found again by its name is not
 *  promised.
 *  \retval -EIO   it could not be written; what the file holds is unknown
 *  \retval -EBUSY  another sp_file_sync of this connection is not over */
SP_EXPORT int sp_file_sync(struct sp_files *files, uint32_t file, struct sp_error *error);

/* ---- Regions ---- */

#define SP_FILE_PRIVATE 1u /**< pages may be written: a write makes one the region's alone */

/** A region backed by a file. Zero in any field but `path` means what is said there. */
struct sp_file_region_options {
    const char *server; /**< socket of the file server; NULL: SELFPAGE_FILES */
    const char *path;   /**< of the file, as for sp_file_open */
    uint64_t offset;    /**< byte of the file that is the first; a multiple of 64 KiB */
    size_t pages;       /**< 0: up to the end of the file, at most SP_CONTAINER_SHARED_PAGES */
    unsigned flags;  /**< SP_FILE_PRIVATE; 0: read only, and a write is a SIGSEGV of the program */
    uint32_t frames; /**< as in struct sp_container_region */
};

/** A file's region, with a connection of its own. */
struct sp_file_region;

/** Put a region on a file: nothing is read now; a page is brought in as it is touched, with those of
 *  the 64 KiB around it that are not there. All regions, of all tasks, that show a page which nobody
 *  has written show the same page of memory as the server's cache; each is charged for its own frame.
 *  Pages that were not written are given back when frames are short, or more than `frames` are in
 *  use; when they are touched they come back as they were, or, if their frames were needed elsewhere, are read
 *  again. What is written to a page never goes to the file. Written pages count
 *  like other frames of containers, and, if physmem has a swap server, go there under the same conditions, and come back
 *  from there as they were (sp_container_region_create has more).
 *
 *  Behind the end of the file the last page is zeros. What others write to the file shows in pages
 *  that are brought in later. A page that cannot be brought in, since the file has become shorter, or
 *  the server is gone or does not answer in a minute, is said in a line on standard error, and the
 *  access goes to the program's own handler of SIGSEGV, or ends the program. While the server has no
 *  frames for its cache, an access waits up to two seconds. A fault needs 3 KiB of stack more than
 *  SP_FAULT_STACK.
 *  \param regionp  set on success; ended by sp_file_region_destroy, before sp_detach
 *  \param basep    set to the address of the first page
 *  \return 0, or a negated errno value of sp_files_connect, sp_file_open, sp_container_share or
 *          sp_container_region_create
 *  \retval -EINVAL  no path, unknown flags, or the offset is not a multiple of 64 KiB
 *  \retval -EISDIR  a directory
 *  \retval -ENXIO   the file has no, or not so many, pages from `offset` on, or too many */
SP_EXPORT int sp_file_region_create(struct sp_task *task,
                                    const struct sp_file_region_options *options,
                                    struct sp_file_region **regionp, void **basep,
                                    struct sp_error *error);

/** How many bytes of the file it shows, as the file was when the region was created: whole pages, but
 *  for the end of the file. */
SP_EXPORT uint64_t sp_file_region_size(const struct sp_file_region *region);

/** Take the region away, with its frames and its connection. No thread may use it any more.
 *  *regionp becomes NULL; it may be NULL before. */
SP_EXPORT void sp_file_region_destroy(struct sp_file_region **regionp);

#ifdef __cplusplus
}
#endif
#endif

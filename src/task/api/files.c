/* The client of a file server. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <selfpage/container.h>
#include <selfpage/file.h>

#include "base/assert.h"
#include "base/error.h"
#include "task/api/file_link.h"

#define BUFFER_BYTES ((size_t)SP_FILES_BUFFER * SP_PAGE_SIZE)

#define OFFSET_END (UINT64_C(1) << 44)

struct sp_files {
    struct sp_task *task;
    sp_container buffer; /* 0: none yet */
    struct caller caller;
};

/* ---- Connecting ---- */

int sp_files_connect(struct sp_task *task, const char *path, struct sp_files **filesp,
                     struct sp_error *error)
{
    struct sp_files *files = malloc(sizeof(*files));
    int result;

    if (files == NULL)
        return error_set(error, ENOMEM, "no memory for a connection to a file server");
    files->task = task;
    files->buffer = 0;
    result = file_link_open(&files->caller, path, error);
    if (result == 0)
        result = sp_container_create_with(task, SP_FILES_BUFFER, 0, &files->buffer, error);
    if (result == 0)
        result = file_link_give(task, &files->caller, files->buffer, SP_SHARE_READ | SP_SHARE_WRITE,
                                error);
    check(result <= 0);
    if (result == 0)
        *filesp = files;
    else
        sp_files_disconnect(&files);
    return result;
}

void sp_files_disconnect(struct sp_files **filesp)
{
    struct sp_files *files = filesp != NULL ? *filesp : NULL;

    if (files == NULL)
        return;
    file_link_close(&files->caller);
    /* A server that has it locked just now keeps it until the lock is over. */
    if (files->buffer != 0)
        (void)sp_container_destroy(files->task, files->buffer, NULL);
    free(files);
    *filesp = NULL;
    check(*filesp == NULL);
}

/* ---- Files ---- */

int sp_file_open(struct sp_files *files, const char *path, struct sp_file_info *infop,
                 struct sp_error *error)
{
    check(files->buffer != 0);
    return file_link_find(&files->caller, path, 0, infop, error);
}

int sp_file_open_as(struct sp_files *files, const char *path, unsigned flags,
                    struct sp_file_info *infop, struct sp_error *error)
{
    check(files->buffer != 0);
    return file_link_find(&files->caller, path, flags, infop, error);
}

int sp_file_close(struct sp_files *files, uint32_t file, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_FILE_CLOSE};
    struct wire_message reply;

    message.file_close.file = file;
    check(files->buffer != 0);
    return file_link_ask(&files->caller, &message, WIRE_DONE, &reply, error);
}

/* Take bytes out of the buffer, from byte `first` of it on. */
static int take_bytes(struct sp_files *files, size_t first, void *bytes, size_t count,
                      struct sp_error *error)
{
    void *address;
    int result = sp_container_map(files->task, files->buffer, 0,
                                  (uint32_t)((first + count + SP_PAGE_SIZE - 1) / SP_PAGE_SIZE), 0,
                                  &address, error);

    check(count > 0 && first + count <= BUFFER_BYTES);
    if (result != 0)
        return result;
    memcpy(bytes, (char *)address + first, count);
    return sp_container_unmap(files->task, address, error);
}

int64_t sp_file_read(struct sp_files *files, uint32_t file, uint64_t offset, void *buffer,
                     size_t size, struct sp_error *error)
{
    size_t done = 0;

    if (offset >= OFFSET_END || size > OFFSET_END - offset)
        return error_set(error, EFBIG, "byte %llu of a file", (unsigned long long)offset);
    while (done < size) {
        struct wire_message message = {.type = WIRE_FILE_READ};
        struct wire_message reply;
        size_t skip = (size_t)((offset + done) % BUFFER_BYTES);
        size_t count;
        int result;

        message.file_read.file = file;
        message.file_read.page = (uint32_t)((offset + done - skip) / SP_PAGE_SIZE);
        result = file_link_ask(&files->caller, &message, WIRE_FILE_DATA, &reply, error);
        if (result == 0 && reply.file_data.bytes > BUFFER_BYTES)
            result =
                error_set(error, EPROTO, "the file server answered with more than was asked for");
        if (result != 0)
            return done > 0 ? (int64_t)done : result;
        if (reply.file_data.bytes <= skip)
            break; /* the end */
        count = reply.file_data.bytes - skip;
        if (count > size - done)
            count = size - done;
        result = take_bytes(files, skip, (char *)buffer + done, count, error);
        if (result != 0)
            return done > 0 ? (int64_t)done : result;
        done += count;
        if (reply.file_data.bytes < BUFFER_BYTES)
            break;
    }
    check(done <= size);
    return (int64_t)done;
}

int64_t sp_file_seek_hole(struct sp_files *files, uint32_t file, uint64_t offset,
                          struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_FILE_SEEK_HOLE};
    struct wire_message reply;
    int result;

    check(files->buffer != 0);
    message.file_seek_hole.file = file;
    message.file_seek_hole.offset = offset;
    result = file_link_ask(&files->caller, &message, WIRE_FILE_HOLE, &reply, error);
    if (result == 0 && (reply.file_hole.offset < offset || reply.file_hole.offset > INT64_MAX))
        result = error_set(error, EPROTO, "the file server found a hole before byte %llu",
                           (unsigned long long)offset);
    return result != 0 ? result : (int64_t)reply.file_hole.offset;
}

/* ---- Writing ---- */

/* Put bytes into the buffer, from byte `first` of it on, in fresh frames: those that are there may
 * be shared with the server's cache. What lies beside them on their pages is zeros, since the
 * server could look at it. */
static int put_bytes(struct sp_files *files, size_t first, const void *bytes, size_t count,
                     struct sp_error *error)
{
    uint32_t page = (uint32_t)(first / SP_PAGE_SIZE);
    uint32_t pages = (uint32_t)((first + count + SP_PAGE_SIZE - 1) / SP_PAGE_SIZE) - page;
    size_t before = first % SP_PAGE_SIZE;
    void *address;
    long allocated =
        sp_container_allocate(files->task, files->buffer, page, pages, SP_ALLOCATE_SQUASH, error);
    int result;

    check(count > 0 && first + count <= BUFFER_BYTES);
    if (allocated < 0)
        return (int)allocated;
    result =
        sp_container_map(files->task, files->buffer, page, pages, SP_MAP_WRITE, &address, error);
    if (result != 0)
        return result;
    memset(address, 0, before);
    memcpy((char *)address + before, bytes, count);
    memset((char *)address + before + count, 0, pages * SP_PAGE_SIZE - before - count);
    return sp_container_unmap(files->task, address, error);
}

/* Have the server write some bytes of the buffer. Returns how many it wrote. */
static int64_t ask_write(struct sp_files *files, uint32_t file, uint64_t offset, size_t count,
                         struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_FILE_WRITE};
    struct wire_message reply;
    uint32_t first = (uint32_t)(offset % BUFFER_BYTES);
    int result;

    check(first + count <= BUFFER_BYTES);
    message.file_write.file = file;
    message.file_write.page = (uint32_t)((offset - first) / SP_PAGE_SIZE);
    message.file_write.first = first;
    message.file_write.bytes = (uint32_t)count;
    result = file_link_ask(&files->caller, &message, WIRE_FILE_DATA, &reply, error);
    if (result == 0 && (reply.file_data.bytes > count || reply.file_data.bytes == 0))
        result = error_set(error, EPROTO, "the file server wrote %u bytes of %zu",
                           reply.file_data.bytes, count);
    return result != 0 ? result : (int64_t)reply.file_data.bytes;
}

int64_t sp_file_write(struct sp_files *files, uint32_t file, uint64_t offset, const void *buffer,
                      size_t size, struct sp_error *error)
{
    size_t done = 0;

    if (offset >= OFFSET_END || size > OFFSET_END - offset)
        return error_set(error, EFBIG, "byte %llu of a file", (unsigned long long)offset);
    while (done < size) {
        size_t first = (size_t)((offset + done) % BUFFER_BYTES);
        size_t count = BUFFER_BYTES - first < size - done ? BUFFER_BYTES - first : size - done;
        int64_t result = put_bytes(files, first, (const char *)buffer + done, count, error);

        if (result == 0)
            result = ask_write(files, file, offset + done, count, error);
        if (result < 0)
            return done > 0 ? (int64_t)done : result;
        done += (size_t)result;
    }
    check(done == size);
    return (int64_t)done;
}

int sp_file_sync(struct sp_files *files, uint32_t file, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_FILE_SYNC};
    struct wire_message reply;

    message.file_sync.file = file;
    check(files->buffer != 0);
    return file_link_ask(&files->caller, &message, WIRE_DONE, &reply, error);
}

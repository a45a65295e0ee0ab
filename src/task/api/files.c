/* The client of a file server. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <selfpage/container.h>
#include <selfpage/file.h>

#include "base/assert.h"
#include "base/error.h"
#include "client/caller.h"
#include "task/state/guard.h"

#define BUFFER_BYTES ((size_t)SP_FILES_BUFFER * SP_PAGE_SIZE)

/* Longest lock of the buffer, and how long the server's answer may take. */
#define LOCK_NS    UINT64_C(5000000000)
#define ANSWER_MS  60000
#define OFFSET_END (UINT64_C(1) << 44)

struct sp_files {
    struct sp_task *task;
    sp_container buffer; /* 0: none yet */
    struct caller caller;
};

/* Ask the server, inside a guard. */
static int ask(struct sp_files *files, struct wire_message *request, enum wire_type expected,
               struct wire_message *reply, struct sp_error *error)
{
    struct guard guard;
    int result;

    check(expected != request->type);
    guard_begin(&guard);
    result = caller_ask_for(&files->caller, request, expected, reply, NULL, error);
    guard_end(&guard);
    return result;
}

/* ---- Connecting ---- */

/* Make the buffer, and give the server its weak reference. */
static int give_buffer(struct sp_files *files, uint32_t server, struct sp_error *error)
{
    const struct sp_share_options options = {
        .task = server, .rights = SP_SHARE_READ | SP_SHARE_WRITE, .lock_ns = LOCK_NS};
    struct wire_message message = {.type = WIRE_FILE_BUFFER};
    struct wire_message reply;
    struct sp_share share;
    int result = sp_container_create_with(files->task, SP_FILES_BUFFER, 0, &files->buffer, error);

    if (result == 0)
        result = sp_container_share(files->task, files->buffer, &options, &share, error);
    if (result != 0)
        return result;
    message.file_buffer.container = files->buffer;
    message.file_buffer.token = share.token;
    check(share.token == 0 && server != 0); /* it was named, so that nobody else can take it */
    return ask(files, &message, WIRE_DONE, &reply, error);
}

int sp_files_connect(struct sp_task *task, const char *path, struct sp_files **filesp,
                     struct sp_error *error)
{
    struct hello hello = {.role = WIRE_ROLE_TASK, .name = "files"};
    struct sp_files *files;
    struct wire_message welcome;
    struct guard guard;
    int result;

    if (path == NULL)
        path = getenv("SELFPAGE_FILES");
    if (path == NULL)
        return error_set(error, EINVAL,
                         "no file server: fileserver: in the scenario of selfpage run, or else "
                         "SELFPAGE_FILES or a path");
    files = malloc(sizeof(*files));
    if (files == NULL)
        return error_set(error, ENOMEM, "no memory for a connection to a file server");
    files->task = task;
    files->buffer = 0;
    guard_begin(&guard);
    caller_init(&files->caller, "the file server", ANSWER_MS);
    result = caller_open(&files->caller, path, &hello, &welcome, error);
    guard_end(&guard);
    if (result == 0)
        result = give_buffer(files, welcome.welcome.id, error);
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
    struct guard guard;

    if (files == NULL)
        return;
    guard_begin(&guard);
    caller_close(&files->caller);
    guard_end(&guard);
    /* A server that has it locked just now keeps it until the lock is over. */
    if (files->buffer != 0)
        (void)sp_container_destroy(files->task, files->buffer, NULL);
    free(files);
    *filesp = NULL;
    check(*filesp == NULL);
}

/* ---- Files ---- */

/* Put a path into words of the protocol. Returns how many bytes it has, or a negative errno. */
static int put_path(struct wire_number *words, uint16_t *countp, const char *path,
                    struct sp_error *error)
{
    size_t bytes = strlen(path);

    if (bytes > SP_FILE_PATH_MAX)
        return error_set(error, ENAMETOOLONG, "a path of %zu bytes", bytes);
    *countp = (uint16_t)((bytes + 3) / 4);
    for (size_t i = 0; i < bytes; i++)
        words[i / 4].value |= (uint32_t)(unsigned char)path[i] << i % 4 * 8;
    check(*countp <= WIRE_PATH_WORDS);
    return (int)bytes;
}

/* Ask for a file to be opened. */
static int ask_open(struct sp_files *files, struct wire_message *message,
                    struct sp_file_info *infop, struct sp_error *error)
{
    struct wire_message reply;
    int result = ask(files, message, WIRE_FILE_OPENED, &reply, error);

    check(infop != NULL);
    if (result == 0)
        *infop = (struct sp_file_info){.file = reply.file_opened.file,
                                       .form = (enum sp_file_form)reply.file_opened.form,
                                       .size = reply.file_opened.size};
    return result;
}

int sp_file_open(struct sp_files *files, const char *path, struct sp_file_info *infop,
                 struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_FILE_OPEN};
    int bytes = put_path(message.file_open.path, &message.file_open.path_count, path, error);

    check(path != NULL);
    if (bytes < 0)
        return bytes;
    message.file_open.bytes = (uint32_t)bytes;
    return ask_open(files, &message, infop, error);
}

int sp_file_open_as(struct sp_files *files, const char *path, unsigned flags,
                    struct sp_file_info *infop, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_FILE_OPEN_AS};
    int bytes = put_path(message.file_open_as.path, &message.file_open_as.path_count, path, error);

    check(path != NULL);
    if (bytes < 0)
        return bytes;
    if (flags >= WIRE_FILE_OPEN_FLAGS)
        return error_set(error, EINVAL, "flags %#x to open a file do not exist", flags);
    message.file_open_as.bytes = (uint32_t)bytes;
    message.file_open_as.flags = (uint8_t)flags;
    return ask_open(files, &message, infop, error);
}

int sp_file_close(struct sp_files *files, uint32_t file, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_FILE_CLOSE};
    struct wire_message reply;

    message.file_close.file = file;
    check(files->buffer != 0);
    return ask(files, &message, WIRE_DONE, &reply, error);
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
        result = ask(files, &message, WIRE_FILE_DATA, &reply, error);
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

/* ---- Writing ---- */

_Static_assert(SP_FILE_WRITE == WIRE_FILE_WRITING && SP_FILE_CREATE == WIRE_FILE_CREATE &&
                   SP_FILE_EXCLUSIVE == WIRE_FILE_EXCLUSIVE &&
                   SP_FILE_TRUNCATE == WIRE_FILE_TRUNCATE,
               "the same flags");

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
    result = ask(files, &message, WIRE_FILE_DATA, &reply, error);
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
    return ask(files, &message, WIRE_DONE, &reply, error);
}

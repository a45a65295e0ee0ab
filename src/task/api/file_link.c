#include "task/api/file_link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "task/state/guard.h"

/* Longest lock of a container, and how long the server's answer may take. */
#define LOCK_NS   UINT64_C(5000000000)
#define ANSWER_MS 60000

_Static_assert(SP_FILE_WRITE == WIRE_FILE_WRITING && SP_FILE_CREATE == WIRE_FILE_CREATE &&
                   SP_FILE_EXCLUSIVE == WIRE_FILE_EXCLUSIVE &&
                   SP_FILE_TRUNCATE == WIRE_FILE_TRUNCATE,
               "the same flags");

int file_link_ask(struct caller *caller, struct wire_message *request, enum wire_type expected,
                  struct wire_message *reply, struct sp_error *error)
{
    struct guard guard;
    int result;

    check(expected != request->type);
    guard_begin(&guard);
    result = caller_ask_for(caller, request, expected, reply, NULL, error);
    guard_end(&guard);
    return result;
}

/* ---- Connecting ---- */

int file_link_open(struct caller *caller, const char *path, struct sp_error *error)
{
    struct hello hello = {.role = WIRE_ROLE_TASK, .name = "files"};
    struct wire_message welcome;
    struct guard guard;
    int result;

    check(caller != NULL);
    caller_init(caller, "the file server", ANSWER_MS);
    if (path == NULL)
        path = getenv("SELFPAGE_FILES");
    if (path == NULL)
        return error_set(error, EINVAL,
                         "no file server: fileserver: in the scenario of selfpage run, or else "
                         "SELFPAGE_FILES or a path");
    guard_begin(&guard);
    result = caller_open(caller, path, &hello, &welcome, error);
    guard_end(&guard);
    return result;
}

void file_link_close(struct caller *caller)
{
    struct guard guard;

    check(caller->server != NULL);
    guard_begin(&guard);
    caller_close(caller);
    guard_end(&guard);
}

int file_link_give(struct sp_task *task, struct caller *caller, sp_container container,
                   unsigned rights, struct sp_error *error)
{
    const struct sp_share_options options = {.rights = rights, .lock_ns = LOCK_NS};
    struct wire_message message = {.type = WIRE_FILE_BUFFER};
    struct wire_message reply;
    struct sp_share share;
    int result = sp_container_share(task, container, &options, &share, error);

    if (result != 0)
        return result;
    message.file_buffer.container = container;
    message.file_buffer.token = share.token;
    check(share.token != 0);
    return file_link_ask(caller, &message, WIRE_DONE, &reply, error);
}

/* ---- Opening ---- */

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

/* The request to open a file. Returns 0 or a negative errno. */
static int put_open(struct wire_message *message, const char *path, unsigned flags,
                    struct sp_error *error)
{
    int bytes;

    check(path != NULL);
    *message = (struct wire_message){.type = flags == 0 ? WIRE_FILE_OPEN : WIRE_FILE_OPEN_AS};
    if (flags == 0) {
        bytes = put_path(message->file_open.path, &message->file_open.path_count, path, error);
        message->file_open.bytes = (uint32_t)bytes;
    } else {
        bytes =
            put_path(message->file_open_as.path, &message->file_open_as.path_count, path, error);
        message->file_open_as.bytes = (uint32_t)bytes;
        message->file_open_as.flags = (uint8_t)flags;
    }
    return bytes < 0 ? bytes : 0;
}

/* The file was not opened: say which, and why. `why` has the words of the protocol, for what is no answer of
 * open(2). */
static int say_refused(const char *path, int result, const struct sp_error *why,
                       struct sp_error *error)
{
    const char *reason = why->text;

    check(result < 0 && path != NULL);
    switch (-result) {
    case EXDEV:
        reason = "it leads out of the directory that is served";
        break;
    case EROFS:
        reason = "it may not be written: the file server, or its file system, is read only";
        break;
    case EMFILE:
        reason = "too many files are open on this connection";
        break;
    case ENOENT:
    case EACCES:
    case EPERM:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case EEXIST:
    case ENOSPC:
        reason = strerror(-result);
        break;
    }
    return error_set(error, -result, "the file server cannot open \"%.200s\": %.250s", path,
                     reason);
}

int file_link_find(struct caller *caller, const char *path, unsigned flags,
                   struct sp_file_info *infop, struct sp_error *error)
{
    struct wire_message message;
    struct wire_message reply;
    struct sp_error why;
    int result;

    if (flags >= WIRE_FILE_OPEN_FLAGS)
        return error_set(error, EINVAL, "flags %#x to open a file do not exist", flags);
    if (flags != 0 && (flags & SP_FILE_WRITE) == 0)
        return error_set(error, EINVAL, "flags %#x to open a file need SP_FILE_WRITE beside them",
                         flags);
    result = put_open(&message, path, flags, error);
    if (result != 0)
        return result;
    result = file_link_ask(caller, &message, WIRE_FILE_OPENED, &reply, &why);
    if (result != 0)
        return say_refused(path, result, &why, error);
    check(infop != NULL);
    *infop = (struct sp_file_info){.file = reply.file_opened.file,
                                   .form = (enum sp_file_form)reply.file_opened.form,
                                   .size = reply.file_opened.size};
    return 0;
}

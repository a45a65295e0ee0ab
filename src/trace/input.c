#include "trace/input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "trace/unpack.h"

/* ---- Stored bytes ---- */

/* Wait until there is something to read. Returns false if nothing will come any more. */
static bool await(const struct input *input)
{
    struct pollfd waits[2] = {{input->fd, POLLIN, 0}, {input->source.until, POLLIN, 0}};

    while (poll(waits, 2, -1) < 0 && errno == EINTR)
        continue;
    if (waits[0].revents != 0 || waits[1].revents == 0)
        return true;               /* poll failed: read says why */
    return poll(waits, 1, 0) != 0; /* what was written last may have come in between */
}

/* Read stored bytes. Returns how many, 0 at the end, or a negative errno. */
static ssize_t read_stored(void *context, uint8_t *to, size_t room, struct sp_error *error)
{
    struct input *input = context;
    ssize_t got;

    if (input->fd < 0) {
        got = (ssize_t)(input->size - input->taken < room ? input->size - input->taken : room);
        if (got > 0)
            memcpy(to, (const uint8_t *)input->source.bytes + input->taken, (size_t)got);
    } else if (input->source.until >= 0 && !await(input)) {
        got = 0;
    } else {
        do
            got = read(input->fd, to, room);
        while (got < 0 && errno == EINTR);
        if (got < 0)
            return error_set(error, errno, "%s: cannot read: %s", input->name, strerror(errno));
    }
    input->taken += (uint64_t)got;
    return got;
}

/* ---- The window ---- */

ssize_t input_more(struct input *input, struct sp_error *error)
{
    size_t kept = (size_t)(input->end - input->at), room = INPUT_WINDOW - kept;
    ssize_t added;

    if (input->ended)
        return 0;
    if (room == 0)
        return error_set(error, EMSGSIZE, "%s: one record is longer than %u bytes", input->name,
                         INPUT_WINDOW);
    memmove(input->window, input->at, kept);
    input->at = input->window;
    input->end = input->window + kept;
    added = input->unpack != NULL ? unpack_read(input->unpack, input->window + kept, room, error)
                                  : read_stored(input, input->window + kept, room, error);
    if (added == 0)
        input->ended = true;
    if (added > 0)
        input->end += added;
    return added;
}

/* Look at the first stored bytes: if they are compressed, decompress from here on. */
static int begin(struct input *input, struct sp_error *error)
{
    int result = input_need(input, UNPACK_MAGIC, error);
    size_t size = (size_t)(input->end - input->at);

    if (result < 0 || !unpack_can(input->at, size))
        return result < 0 ? result : 0;
    result = unpack_begin(&input->unpack, input->name, input->at, size, read_stored, input, error);
    input->compressed = true;
    input->ended = false;
    input->at = input->end = input->window;
    return result;
}

static int open_path(struct input *input, const char *path, struct sp_error *error)
{
    input->name = path;
    if (strcmp(path, "-") == 0) {
        input->name = "standard input";
        input->fd = STDIN_FILENO;
        return 0;
    }
    input->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (input->fd < 0)
        return error_set(error, errno, "%s: cannot open: %s", path, strerror(errno));
    input->owns_fd = true;
    return 0;
}

static int examine(struct input *input, struct sp_error *error)
{
    struct stat info;

    if (fstat(input->fd, &info) != 0)
        return error_set(error, errno, "%s: cannot examine: %s", input->name, strerror(errno));
    if (S_ISDIR(info.st_mode))
        return error_set(error, EISDIR, "%s: this is a directory, not a trace", input->name);
    if (S_ISREG(info.st_mode)) {
        input->start = lseek(input->fd, 0, SEEK_CUR);
        input->seekable = input->start >= 0;
        if (input->seekable && info.st_size > input->start)
            input->size = (uint64_t)(info.st_size - input->start);
        posix_fadvise(input->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    }
    return 0;
}

static int open_source(struct input *input, struct sp_error *error)
{
    const struct input_source *source = &input->source;
    int result = 0;

    if (source->path == NULL && source->bytes != NULL) {
        input->size = source->size;
        input->seekable = true;
        return 0;
    }
    if (source->path != NULL)
        result = open_path(input, source->path, error);
    else
        input->fd = source->fd;
    return result == 0 ? examine(input, error) : result;
}

int input_open(struct input *input, const struct input_source *source, struct sp_error *error)
{
    int result;

    *input = (struct input){.source = *source, .name = source->name, .fd = -1};
    if (source->path != NULL || source->bytes != NULL)
        input->source.until = -1;
    if (input->name == NULL)
        input->name = "memory";
    result = open_source(input, error);
    if (result != 0)
        return result;
    input->window = malloc(INPUT_WINDOW);
    if (input->window == NULL)
        return error_set(error, ENOMEM, "%s: no memory for reading", input->name);
    input->at = input->end = input->window;
    return begin(input, error);
}

void input_fini(struct input *input)
{
    unpack_end(&input->unpack);
    if (input->owns_fd)
        close(input->fd);
    free(input->window);
    *input = (struct input){.fd = -1};
}

int input_rewind(struct input *input, struct sp_error *error)
{
    if (!input->seekable)
        return error_set(error, ESPIPE, "%s: cannot be read twice", input->name);
    if (input->fd >= 0 && lseek(input->fd, input->start, SEEK_SET) < 0)
        return error_set(error, errno, "%s: cannot go back: %s", input->name, strerror(errno));
    unpack_end(&input->unpack);
    input->ended = false;
    input->taken = 0;
    input->at = input->end = input->window;
    return begin(input, error);
}

#include "trace/source.h"

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
static bool await(const struct source *source)
{
    struct pollfd waits[2] = {{source->fd, POLLIN, 0}, {source->origin.until, POLLIN, 0}};

    while (poll(waits, 2, -1) < 0 && errno == EINTR)
        continue;
    if (waits[0].revents != 0 || waits[1].revents == 0)
        return true;               /* poll failed: read says why */
    return poll(waits, 1, 0) != 0; /* what was written last may have come in between */
}

/* Read stored bytes. Returns how many, 0 at the end, or a negative errno. */
static ssize_t read_stored(void *context, uint8_t *to, size_t room, struct sp_error *error)
{
    struct source *source = context;
    ssize_t got;

    if (source->fd < 0) {
        got = (ssize_t)(source->size - source->taken < room ? source->size - source->taken : room);
        if (got > 0)
            memcpy(to, (const uint8_t *)source->origin.bytes + source->taken, (size_t)got);
    } else if (source->origin.until >= 0 && !await(source)) {
        got = 0;
    } else {
        do
            got = read(source->fd, to, room);
        while (got < 0 && errno == EINTR);
        if (got < 0)
            return error_set(error, errno, "%s: cannot read: %s", source->name, strerror(errno));
    }
    source->taken += (uint64_t)got;
    return got;
}

/* ---- Decompressed bytes ---- */

static ssize_t read_unpacked(void *context, uint8_t *to, size_t room, struct sp_error *error)
{
    return unpack_read(context, to, room, error);
}

static void end_unpacking(struct source *source)
{
    while (source->layers > 0)
        unpack_end(&source->unpack[--source->layers]);
}

static ssize_t read_bytes(struct source *source, uint8_t *to, size_t room, struct sp_error *error)
{
    if (source->layers > 0)
        return unpack_read(source->unpack[source->layers - 1], to, room, error);
    return read_stored(source, to, room, error);
}

/* ---- The window ---- */

ssize_t source_more(struct source *source, struct sp_error *error)
{
    size_t kept = (size_t)(source->end - source->at), room = SOURCE_WINDOW - kept;
    ssize_t added;

    if (source->ended)
        return 0;
    if (room == 0)
        return error_set(error, EMSGSIZE, "%s: one record is longer than %u bytes", source->name,
                         SOURCE_WINDOW);
    memmove(source->window, source->at, kept);
    source->at = source->window;
    source->end = source->window + kept;
    added = read_bytes(source, source->window + kept, room, error);
    if (added == 0)
        source->ended = true;
    if (added > 0)
        source->end += added;
    return added;
}

/* Decompress from here on what is in the window and what follows it. */
static int add_layer(struct source *source, struct sp_error *error)
{
    unsigned layer = source->layers;

    if (layer == SOURCE_LAYERS)
        return error_set(error, EILSEQ,
                         "%s: is compressed more than %u times over. Decompress it first",
                         source->name, SOURCE_LAYERS);
    source->layers++;
    source->compressed = true;
    source->ended = false;
    if (layer == 0)
        return unpack_begin(&source->unpack[layer], source->name, source->at,
                            (size_t)(source->end - source->at), read_stored, source, error);
    return unpack_begin(&source->unpack[layer], source->name, source->at,
                        (size_t)(source->end - source->at), read_unpacked,
                        source->unpack[layer - 1], error);
}

/* Look at the first bytes: as long as they are compressed, decompress. */
static int begin(struct source *source, struct sp_error *error)
{
    int result = source_need(source, UNPACK_MAGIC, error);

    while (result >= 0 && unpack_can(source->at, (size_t)(source->end - source->at))) {
        result = add_layer(source, error);
        source->at = source->end = source->window;
        if (result != 0 || !unpack_did(source->unpack[source->layers - 1]))
            return result;
        result = source_need(source, UNPACK_MAGIC, error);
    }
    return result < 0 ? result : 0;
}

static int open_path(struct source *source, const char *path, struct sp_error *error)
{
    source->name = path;
    if (strcmp(path, "-") == 0) {
        source->name = "standard input";
        source->fd = STDIN_FILENO;
        return 0;
    }
    source->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (source->fd < 0)
        return error_set(error, errno, "%s: cannot open: %s", path, strerror(errno));
    source->owns_fd = true;
    return 0;
}

static int examine(struct source *source, struct sp_error *error)
{
    struct stat info;

    if (fstat(source->fd, &info) != 0)
        return error_set(error, errno, "%s: cannot examine: %s", source->name, strerror(errno));
    if (S_ISDIR(info.st_mode))
        return error_set(error, EISDIR, "%s: this is a directory, not a trace", source->name);
    if (S_ISREG(info.st_mode)) {
        source->start = lseek(source->fd, 0, SEEK_CUR);
        source->seekable = source->start >= 0;
        if (source->seekable && info.st_size > source->start)
            source->size = (uint64_t)(info.st_size - source->start);
        posix_fadvise(source->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    }
    return 0;
}

static int open_source(struct source *source, struct sp_error *error)
{
    const struct source_origin *origin = &source->origin;
    int result = 0;

    if (origin->path == NULL && origin->bytes != NULL) {
        source->size = origin->size;
        source->seekable = true;
        return 0;
    }
    if (origin->path != NULL)
        result = open_path(source, origin->path, error);
    else
        source->fd = origin->fd;
    return result == 0 ? examine(source, error) : result;
}

int source_open(struct source *source, const struct source_origin *origin, struct sp_error *error)
{
    int result;

    *source = (struct source){.origin = *origin, .name = origin->name, .fd = -1};
    if (origin->path != NULL || origin->bytes != NULL)
        source->origin.until = -1;
    if (source->name == NULL)
        source->name = "memory";
    result = open_source(source, error);
    if (result != 0)
        return result;
    source->window = malloc(SOURCE_WINDOW);
    if (source->window == NULL)
        return error_set(error, ENOMEM, "%s: no memory for reading", source->name);
    source->at = source->end = source->window;
    return begin(source, error);
}

void source_fini(struct source *source)
{
    end_unpacking(source);
    if (source->owns_fd)
        close(source->fd);
    free(source->window);
    *source = (struct source){.fd = -1};
}

int source_rewind(struct source *source, struct sp_error *error)
{
    if (!source->seekable)
        return error_set(error, ESPIPE, "%s: cannot be read twice", source->name);
    if (source->fd >= 0 && lseek(source->fd, source->start, SEEK_SET) < 0)
        return error_set(error, errno, "%s: cannot go back: %s", source->name, strerror(errno));
    end_unpacking(source);
    source->ended = false;
    source->taken = 0;
    source->at = source->end = source->window;
    return begin(source, error);
}

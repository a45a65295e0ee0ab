#include "selfpage/record/images.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "selfpage/trace/strands.h"

#define TAIL        64u /* bytes before those that are read next, by which a file is known */
#define IDLE        2   /* ms between two looks for more */
#define AHEAD_MOST  ((off_t)256 << 20) /* bytes that a process may be ahead */
#define AHEAD_AGAIN ((off_t)32 << 20)  /* then it goes on */
#define FREED_STEP  ((off_t)1 << 20)   /* bytes that are given back at a time */
#define PATH_ROOM   4096u

struct image {
    pid_t pid;
    int fd;
    off_t at;    /* of the file, what was read */
    off_t freed; /* of that, what was given back */
    char tail[TAIL];
    size_t kept;     /* bytes of `tail` */
    uint64_t number; /* UINT64_MAX: none yet, since it wrote nothing */
    off_t last;      /* once the program has ended: nothing behind it is read */
    bool stopped;
};

int images_init(struct images *images, const struct trace_options *options, struct sp_error *error)
{
    const char *folder = getenv("TMPDIR");
    char path[PATH_ROOM];

    *images = (struct images){.options = options, .ended = -1};
    snprintf(path, sizeof(path), "%s/selfpage-record-XXXXXX",
             folder != NULL && *folder != '\0' ? folder : "/tmp");
    if (mkdtemp(path) == NULL)
        return error_set(error, errno, "cannot make a folder %.150s: %s", path, strerror(errno));
    images->folder = strdup(path);
    images->slice = malloc(IMAGES_SLICE + TAIL);
    if (images->folder == NULL || images->slice == NULL)
        return error_set(error, ENOMEM, "no memory for recording");
    return 0;
}

/* ---- Files that come and go ---- */

static bool is_known(const struct images *images, pid_t pid)
{
    for (size_t i = 0; i < images->count; i++)
        if (images->images[i].pid == pid)
            return true;
    return false;
}

static int add(struct images *images, pid_t pid, const char *name, struct sp_error *error)
{
    char path[PATH_ROOM];
    int fd;

    if (images->count == images->room) {
        size_t room = images->room == 0 ? 16 : 2 * images->room;
        struct image *grown = realloc(images->images, room * sizeof(*grown));

        if (grown == NULL)
            return error_set(error, ENOMEM, "no memory for %zu programs", room);
        images->images = grown;
        images->room = room;
    }
    snprintf(path, sizeof(path), "%s/%s", images->folder, name);
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return error_set(error, errno, "cannot read %.150s: %s", path, strerror(errno));
    images->images[images->count++] = (struct image){.pid = pid, .fd = fd, .number = UINT64_MAX};
    return 0;
}

/* See which processes have begun to write. */
static int look(struct images *images, struct sp_error *error)
{
    DIR *folder = opendir(images->folder);
    const struct dirent *entry;
    int result = 0;

    if (folder == NULL)
        return error_set(error, errno, "cannot read %.150s: %s", images->folder, strerror(errno));
    while (result == 0 && (entry = readdir(folder)) != NULL) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

        if (pid > 0 && !is_known(images, pid))
            result = add(images, pid, entry->d_name, error);
    }
    closedir(folder);
    return result;
}

static void unlink_of(const struct images *images, pid_t pid)
{
    char path[PATH_ROOM];

    snprintf(path, sizeof(path), "%s/%d", images->folder, (int)pid);
    unlink(path);
}

/* Forget images whose process is gone, and all of whose text was read. */
static void forget_gone(struct images *images)
{
    for (size_t i = images->count; i-- > 0;) {
        const struct image *image = &images->images[i];
        struct stat stat;

        if (kill(image->pid, 0) == 0 || errno != ESRCH || fstat(image->fd, &stat) != 0 ||
            stat.st_size > image->at)
            continue;
        unlink_of(images, image->pid);
        close(image->fd);
        images->images[i] = images->images[--images->count];
    }
}

/* ---- Text ---- */

/* Stop a process that is too far ahead, and let it go on when it is not. */
static void hold_back(struct image *image, off_t ahead)
{
    if (!image->stopped && ahead > AHEAD_MOST)
        image->stopped = kill(image->pid, SIGSTOP) == 0;
    else if (image->stopped && ahead < AHEAD_AGAIN)
        image->stopped = kill(image->pid, SIGCONT) != 0;
}

static void give_back(struct image *image)
{
    off_t until = (image->at - (off_t)TAIL) & ~(off_t)4095;

    if (until - image->freed < FREED_STEP)
        return;
    /* Not every file system can: then the text stays until the end. */
    (void)fallocate(image->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, until);
    image->freed = until;
}

/* The process has executed another program: what it writes comes from the beginning, and is of other pages. */
static void begin_again(struct image *image)
{
    image->at = image->freed = 0;
    image->kept = 0;
    image->number = UINT64_MAX;
}

/* Read what an image has written, up to the last whole line. Returns how many bytes are in the slice, from TAIL on. */
static size_t read_text(struct images *images, struct image *image)
{
    char *text = images->slice + TAIL;
    struct stat stat;
    size_t size;
    ssize_t got;

    if (fstat(image->fd, &stat) != 0)
        return 0;
    if (stat.st_size < image->at)
        begin_again(image);
    hold_back(image, stat.st_size - image->at);
    if (images->closing && stat.st_size > image->last)
        stat.st_size = image->last;
    if (stat.st_size <= image->at)
        return 0;
    size = stat.st_size - image->at < (off_t)IMAGES_SLICE ? (size_t)(stat.st_size - image->at)
                                                          : IMAGES_SLICE;
    got = pread(image->fd, text - image->kept, image->kept + size, image->at - (off_t)image->kept);
    if (got < (ssize_t)image->kept || memcmp(text - image->kept, image->tail, image->kept) != 0) {
        begin_again(image);
        return 0; /* the next look sees it from its beginning */
    }
    got -= (ssize_t)image->kept;
    while (got > 0 && text[got - 1] != '\n')
        got--;
    return (size_t)got;
}

static void took_text(struct images *images, struct image *image, size_t size)
{
    const char *end = images->slice + TAIL + size;

    image->at += (off_t)size;
    image->kept = size < TAIL ? size : TAIL;
    memcpy(image->tail, end - image->kept, image->kept);
    if (image->number == UINT64_MAX)
        image->number = images->numbered++;
    give_back(image);
}

/* Open a slice of the next image that has written. Returns 1, 0: none has, or a negative errno. */
static int open_slice(struct images *images, struct sp_error *error)
{
    for (size_t i = 0; i < images->count; i++) {
        size_t at = (images->turn + 1 + i) % images->count;
        struct image *image = &images->images[at];
        size_t size = read_text(images, image);
        const struct source_origin origin = {
            .bytes = images->slice + TAIL, .size = size, .name = "what valgrind prints"};

        if (size == 0)
            continue;
        took_text(images, image, size);
        images->turn = at;
        images->number = image->number;
        images->open = true;
        return trace_open_source(&images->trace, &origin, images->options, error) == 0 ? 1 : -EIO;
    }
    return 0;
}

static bool has_ended(const struct images *images, int wait)
{
    struct pollfd waits = {images->ended, POLLIN, 0};

    return poll(&waits, 1, wait) > 0;
}

/* The program has ended: what is written from now on is not of interest. */
static void close_books(struct images *images)
{
    struct stat stat;

    for (size_t i = 0; i < images->count; i++)
        images->images[i].last = fstat(images->images[i].fd, &stat) == 0 ? stat.st_size : 0;
    images->closing = true;
}

/* Wait for text, and open a slice of it. Returns 1, 0: all has ended, or a negative errno. */
static int await_slice(struct images *images, struct sp_error *error)
{
    for (;;) {
        bool ended = images->closing || has_ended(images, 0);
        int result = images->closing ? 0 : look(images, error);

        if (ended && !images->closing)
            close_books(images);
        if (result == 0)
            result = open_slice(images, error);
        if (result != 0 || ended)
            return result;
        forget_gone(images);
        has_ended(images, IDLE);
    }
}

ssize_t images_read(void *context, struct trace_reference *references, size_t most,
                    struct sp_error *error)
{
    struct images *images = context;

    check(most >= TRACE_BATCH);
    for (;;) {
        ssize_t count;
        int result;

        if (images->open) {
            count = trace_read(&images->trace, references, most, error);
            for (ssize_t i = 0; i < count; i++)
                references[i].id = strands_id(images->number, references[i].id);
            if (count != 0)
                return count;
            trace_fini(&images->trace);
            images->open = false;
        }
        result = await_slice(images, error);
        if (result <= 0)
            return result;
    }
}

void images_signal(const struct images *images, int number)
{
    for (size_t i = 0; i < images->count; i++)
        kill(images->images[i].pid, number);
}

/* ---- The end ---- */

/* Let processes that still run write, and keep nothing of it. */
static _Noreturn void throw_away(struct images *images)
{
    size_t left = images->count;

    setsid();
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        close(fd);
    while (left > 0) {
        left = 0;
        for (size_t i = 0; i < images->count; i++) {
            (void)!ftruncate(images->images[i].fd, 0);
            left += kill(images->images[i].pid, 0) == 0;
        }
        poll(NULL, 0, 200);
    }
    _exit(0);
}

void images_fini(struct images *images)
{
    if (images->open)
        trace_fini(&images->trace);
    if (images->folder != NULL) {
        struct sp_error ignored;

        (void)look(images, &ignored);
        for (size_t i = 0; i < images->count; i++) {
            unlink_of(images, images->images[i].pid);
            if (images->images[i].stopped)
                kill(images->images[i].pid, SIGCONT);
        }
        forget_gone(images);
        rmdir(images->folder);
    }
    if (images->count > 0 && fork() == 0)
        throw_away(images);
    for (size_t i = 0; i < images->count; i++)
        close(images->images[i].fd);
    free(images->images);
    free(images->slice);
    free(images->folder);
}

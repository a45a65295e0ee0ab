/* selfpage-grep: looks for a string in the files of a file server, in memory of its own.
 *
 * Prints exactly what `LC_ALL=C grep -rnF PATTERN PATH | LC_ALL=C sort` prints in the directory
 * that the server serves. Each process is a task with a contract of its own, looks at every n-th
 * file, and sends what it found to the first one, which sorts. */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <selfpage/file.h>

#include "common.h"

static const char usage[] =
    "Usage: selfpage-grep [options] PATTERN [PATH]\n"
    "\n"
    "Looks for PATTERN, a string, in all files below PATH (default: .) of a file server, and prints the lines\n"
    "that have it as `LC_ALL=C grep -rnF PATTERN PATH | LC_ALL=C sort` does. A task for selfpage run, or\n"
    "with SELFPAGE_PHYSMEM, SELFPAGE_CONTRACT and SELFPAGE_FILES set.\n"
    "\n"
    "  --processes N   look with N processes, a task each (default: 1)\n"
    "  --output FILE   write there instead of to standard output; FILE appears when it is complete\n"
    "  --help          print this\n"
    "\n"
    "Exit status: 0 lines were found; 1 none was; 2 it could not run, or could not read a file.\n";

/* grep(1) looks through a file piece by piece. Of a piece that has a NUL, and of those after it, it prints no line; that one
 * matches is told on standard error. Which bytes are a piece is seen from outside: its buffer is of this size (GNU grep
 * 3.8), keeps a line of which the end has not been read, and grows for one that is longer, also for the files after it. */
#define BUFFER 98304u

/* Whole pages are read, to addresses that are multiples of this; so many bytes are lost before the first. */
#define ALIGN 4096u
#define ODD   16u

struct pieces {
    size_t room;  /* of the buffer; 0: BUFFER */
    size_t place; /* in the buffer, behind what was read last */
    size_t read;  /* bytes of the file that have been read */
};

/* Text that grows. */
struct text {
    char *bytes;
    size_t size;
    size_t room;
};

struct search {
    const char *pattern; /* one a line, as for grep -F */
    struct sp_files *files;
    unsigned process, processes;
    unsigned seen; /* files so far */
    struct pieces pieces;
    struct text found;
    bool failed;
    bool any; /* lines, or a binary file that matches */
};

static void text_add(struct text *text, const void *bytes, size_t size)
{
    if (text->size + size > text->room) {
        text->room = 2 * (text->size + size) + 4096;
        text->bytes = realloc(text->bytes, text->room);
        if (text->bytes == NULL)
            errx(EXIT_CANNOT, "no memory for what was found");
    }
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
}

static void text_print(struct text *text, const char *string)
{
    text_add(text, string, strlen(string));
}

/* ---- Lines ---- */

static void add_line(struct search *search, const char *name, size_t number, const char *line,
                     size_t size)
{
    char digits[32];

    if (name != NULL) {
        text_print(&search->found, name);
        text_add(&search->found, ":", 1);
    }
    snprintf(digits, sizeof(digits), "%zu:", number);
    text_print(&search->found, digits);
    text_add(&search->found, line, size);
    text_add(&search->found, "\n", 1);
}

/* Whether a line has one of the patterns. */
static bool matches(const char *pattern, const char *line, size_t length)
{
    for (;;) {
        size_t wanted = strcspn(pattern, "\n");

        if (wanted == 0 || memmem(line, length, pattern, wanted) != NULL)
            return true;
        if (pattern[wanted] == '\0')
            return false;
        pattern += wanted + 1;
    }
}

static size_t aligned(size_t place)
{
    return (place + ODD + ALIGN - 1) / ALIGN * ALIGN - ODD;
}

static void begin_pieces(struct pieces *pieces)
{
    if (pieces->room == 0)
        pieces->room = BUFFER;
    pieces->place = aligned(1);
    pieces->read = 0;
}

/* Read the next piece of a file of `size` bytes, of which the last `kept` that were read are still needed. */
static void next_piece(struct pieces *pieces, size_t size, size_t kept)
{
    size_t whole = kept + size - pieces->read; /* what is left of the file, with these */
    size_t wanted = pieces->room, count;

    if (pieces->place + ALIGN > pieces->room + ALIGN) {
        while (wanted < kept + ALIGN)
            wanted *= 2;
        if (kept + ALIGN <= whole && whole < wanted)
            wanted = whole;
        if (wanted > pieces->room)
            pieces->room = wanted;
        pieces->place = aligned(1 + kept);
    }
    count = (pieces->room + ALIGN - pieces->place) / ALIGN * ALIGN;
    if (count > size - pieces->read)
        count = size - pieces->read;
    pieces->place += count;
    pieces->read += count;
}

/* Look through the lines of a file. `name` NULL: lines are printed without it. */
static void search_bytes(struct search *search, const char *path, const char *name,
                         const char *bytes, size_t size)
{
    struct pieces *pieces = &search->pieces;
    size_t number = 0, start = 0, last = 0;
    bool binary = false;

    begin_pieces(pieces);
    while (start < size) {
        const char *line = bytes + start;
        const char *end = memchr(line, '\n', size - start);
        size_t length = end != NULL ? (size_t)(end - line) : size - start;
        size_t needed = end != NULL ? start + length + 1 : size;

        while (pieces->read < needed) {
            size_t from = pieces->read;

            next_piece(pieces, size, from - start);
            binary = binary || memchr(bytes + from, '\0', pieces->read - from) != NULL;
        }
        number++;
        last = start;
        start += length + 1;
        if (!matches(search->pattern, line, length))
            continue;
        search->any = true;
        if (binary) {
            fprintf(stderr, "selfpage-grep: %s: binary file matches\n", path);
            return;
        }
        add_line(search, name, number, line, length);
    }
    if (size > 0 && bytes[size - 1] != '\n') /* it looks for more of the last line */
        next_piece(pieces, size, size - last);
}

/* ---- Files ---- */

/* How often, and how long in between, a read is tried again: while the server's cache has no frames,
 * since others need them all, and while the container is in use. */
#define ATTEMPTS 5000u
#define PAUSE_NS 1000000

/* Read, and if that was refused for a reason that passes, again. */
static int64_t read_some(const struct search *search, uint32_t file, uint64_t offset, char *bytes,
                         size_t size, struct sp_error *error)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    int64_t count = sp_file_read(search->files, file, offset, bytes, size, error);

    for (unsigned i = 1; i < ATTEMPTS && (count == -ENOMEM || count == -ESTALE || count == -EBUSY);
         i++) {
        nanosleep(&pause, NULL);
        count = sp_file_read(search->files, file, offset, bytes, size, error);
    }
    return count;
}

/* All bytes of an open file; NULL: it cannot be read. */
static char *read_all(struct search *search, const char *path, const struct sp_file_info *info,
                      size_t *sizep)
{
    size_t room = (size_t)info->size + 1, size = 0;
    char *bytes = malloc(room);
    struct sp_error error;

    if (bytes == NULL)
        errx(EXIT_CANNOT, "no memory for %s", path);
    for (;;) {
        char *larger;
        int64_t count;

        count = read_some(search, info->file, size, bytes + size, room - size, &error);
        if (count < 0) {
            warnx("%s: %s", path, error.text);
            search->failed = true;
            free(bytes);
            return NULL;
        }
        size += (size_t)count;
        if (size < room)
            break;
        room *= 2; /* it has grown */
        larger = realloc(bytes, room);
        if (larger == NULL)
            errx(EXIT_CANNOT, "no memory for %s", path);
        bytes = larger;
    }
    *sizep = size;
    return bytes;
}

static bool open_file(struct search *search, const char *path, struct sp_file_info *info)
{
    struct sp_error error;

    if (sp_file_open(search->files, path, info, &error) == 0)
        return true;
    warnx("%s", error.text);
    search->failed = true;
    return false;
}

static void search_directory(struct search *search, const char *path,
                             const struct sp_file_info *info);

/* One file or directory that an entry names. */
static void search_entry(struct search *search, char kind, const char *path)
{
    struct sp_file_info info;
    size_t size;
    char *bytes;

    if (kind == 'f' && search->seen++ % search->processes != search->process)
        return;
    if ((kind != 'f' && kind != 'd') || !open_file(search, path, &info))
        return;
    if (info.form == SP_FILE_DIRECTORY) {
        search_directory(search, path, &info);
        return;
    }
    bytes = read_all(search, path, &info, &size);
    (void)sp_file_close(search->files, info.file, NULL);
    if (bytes != NULL)
        search_bytes(search, path, path, bytes, size);
    free(bytes);
}

/* Search all that a directory has; it is closed. */
static void search_directory(struct search *search, const char *path,
                             const struct sp_file_info *info)
{
    const char *slash = path[0] != '\0' && path[strlen(path) - 1] == '/' ? "" : "/";
    size_t size = 0;
    char *list = read_all(search, path, info, &size);

    (void)sp_file_close(search->files, info->file, NULL);
    for (size_t at = 0; list != NULL && at < size; at += strlen(list + at) + 1) {
        char *name;

        if (asprintf(&name, "%s%s%s", path, slash, list + at + 1) < 0)
            errx(EXIT_CANNOT, "no memory for a name");
        search_entry(search, list[at], name);
        free(name);
    }
    free(list);
}

/* As grep does, leave one slash of several at the end of a path. */
static void cut_slashes(char *path)
{
    size_t length = strlen(path);

    while (length > 2 && path[length - 1] == '/' && path[length - 2] == '/')
        path[--length] = '\0';
}

/* What was named on the command line: also through a link, and a file's lines are printed without
 * its name. */
static void search_path(struct search *search, const char *path)
{
    struct sp_file_info info;
    size_t size;
    char *bytes;

    if (!open_file(search, path, &info))
        return;
    if (info.form == SP_FILE_DIRECTORY) {
        search_directory(search, path, &info);
        return;
    }
    if (search->process != 0)
        return;
    bytes = read_all(search, path, &info, &size);
    if (bytes != NULL)
        search_bytes(search, path, NULL, bytes, size);
    free(bytes);
}

/* ---- Processes ---- */

/* Attach, search, and leave what was found in search->found. */
static void search_all(struct search *search, const char *path)
{
    static const struct sp_attach_options options = {.name = NULL};
    struct sp_error error;

    if (sp_files_connect(task_attach(&options), NULL, &search->files, &error) != 0)
        errx(EXIT_CANNOT, "%s", error.text);
    search_path(search, path);
    sp_files_disconnect(&search->files);
}

static void write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t count = write(fd, bytes, size);

        if (count < 0 && errno != EINTR)
            err(EXIT_CANNOT, "cannot tell what was found");
        if (count > 0) {
            bytes += count;
            size -= (size_t)count;
        }
    }
}

/* Start one more process. Returns the end of the pipe from which its findings are read. */
static int start_process(struct search *search, const char *path, pid_t *childp)
{
    int ends[2];

    if (pipe(ends) != 0)
        err(EXIT_CANNOT, "pipe");
    *childp = fork();
    if (*childp < 0)
        err(EXIT_CANNOT, "fork");
    if (*childp > 0) {
        close(ends[1]);
        return ends[0];
    }
    close(ends[0]);
    unsetenv("SELFPAGE_STATS_FD"); /* the first process counts there */
    search_all(search, path);
    write_all(ends[1], search->found.bytes, search->found.size);
    exit(search->failed ? EXIT_CANNOT : search->any ? 0 : EXIT_NO);
}

static void collect(struct search *search, int fd, pid_t child)
{
    char buffer[65536];
    ssize_t count;
    int status;

    while ((count = read(fd, buffer, sizeof(buffer))) != 0) {
        if (count < 0 && errno != EINTR)
            err(EXIT_CANNOT, "cannot hear what was found");
        if (count > 0)
            text_add(&search->found, buffer, (size_t)count);
    }
    close(fd);
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
        WEXITSTATUS(status) == EXIT_CANNOT)
        search->failed = true;
    else if (WEXITSTATUS(status) == 0)
        search->any = true;
}

/* ---- Sorting ---- */

struct line {
    const char *bytes;
    size_t size;
};

static int compare_lines(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    int order = memcmp(x->bytes, y->bytes, x->size < y->size ? x->size : y->size);

    return order != 0 ? order : (x->size > y->size) - (x->size < y->size);
}

static size_t split_lines(const struct text *text, struct line **linesp)
{
    size_t count = 0, i = 0;

    for (size_t at = 0; at < text->size; at++)
        count += text->bytes[at] == '\n';
    *linesp = calloc(count + 1, sizeof(**linesp));
    if (*linesp == NULL)
        errx(EXIT_CANNOT, "no memory for %zu lines", count);
    for (size_t at = 0; at < text->size; i++) {
        const char *end = memchr(text->bytes + at, '\n', text->size - at);

        (*linesp)[i] = (struct line){text->bytes + at, (size_t)(end - text->bytes) - at};
        at += (*linesp)[i].size + 1;
    }
    qsort(*linesp, count, sizeof(**linesp), compare_lines);
    return count;
}

static void print_sorted(const struct text *found, const char *output_path)
{
    struct output output;
    struct line *lines;
    size_t count = split_lines(found, &lines);

    if (output_path != NULL)
        output_open(&output, output_path);
    for (size_t i = 0; i < count; i++) {
        if (output_path != NULL)
            output_write(&output, lines[i].bytes, lines[i].size + 1);
        else if (fwrite(lines[i].bytes, 1, lines[i].size + 1, stdout) != lines[i].size + 1)
            err(EXIT_CANNOT, "standard output");
    }
    if (output_path != NULL)
        output_close(&output);
    else if (fflush(stdout) != 0)
        err(EXIT_CANNOT, "standard output");
    free(lines);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"processes", required_argument, NULL, 'p'},
                                            {"output", required_argument, NULL, 'o'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct search search = {.processes = 1};
    static char here[] = ".";
    const char *output_path = NULL;
    char *path = here;
    pid_t child[64];
    int fd[64];
    int option;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'p')
            search.processes = (unsigned)option_count("--processes", optarg, 1, 64);
        else if (option == 'o')
            output_path = optarg;
        else if (option != 'h')
            return option_unknown();
        else {
            fputs(usage, stdout);
            return option_helped();
        }
    }
    if (argc - optind != 1)
        option_arguments(argc, argv, 2, "PATTERN [PATH]");
    search.pattern = argv[optind];
    if (argc - optind == 2)
        path = argv[optind + 1];
    cut_slashes(path);
    for (unsigned i = 1; i < search.processes; i++) {
        search.process = i;
        fd[i] = start_process(&search, path, &child[i]);
    }
    search.process = 0;
    search_all(&search, path);
    for (unsigned i = 1; i < search.processes; i++)
        collect(&search, fd[i], child[i]);
    print_sorted(&search.found, output_path);
    free(search.found.bytes);
    return search.failed ? EXIT_CANNOT : search.any ? 0 : EXIT_NO;
}

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
 * matches is told on standard error. Which bytes are a piece was found from outside, by watching GNU grep 3.8 read: it reads
 * whole pages to page boundaries of its buffer, behind the line whose end has not been read, as many as have room. When one
 * more has none, that line goes to the beginning of the buffer. When it does not fit there, the buffer becomes half as large
 * again, but not larger than the rest of the file needs, and stays so for the files after this one.
 *
 * Where the pages begin depends on where malloc puts the buffer. For the first one that was measured, with glibc 2.36; a
 * large one is mapped, and what cannot be known is where one of up to MAPPED bytes is. */
#define ALIGN  4096u
#define SPARE  8u /* bytes at the end of the buffer */
#define BUFFER (98304u + ALIGN + SPARE)
#define MAPPED 131048u

#define PLACE_ONE_PATTERN   2032u /* of the first buffer, in its page */
#define PLACE_MANY_PATTERNS 3712u
#define PLACE_SMALL         2048u /* often */
#define PLACE_MAPPED        16u

/* A NUL in so many bytes is in the first piece, and no shorter line makes the buffer grow. */
#define FIRST_LEAST 98304u
#define LINE_LEAST  (BUFFER - 2 * ALIGN - SPARE)

struct pieces {
    size_t room;  /* of the buffer */
    size_t base;  /* its place in its page */
    size_t place; /* in the buffer, behind what was read last */
    size_t size;  /* of the file */
    size_t read;  /* bytes of it that have been read */
};

/* Text that grows. */
struct text {
    char *bytes;
    size_t size;
    size_t room;
};

/* Files of which it depends on those before them what is printed, in their order: see `pieces`. */
struct late {
    unsigned count, room;
    struct late_file {
        unsigned number; /* among all files */
        char *path;
    } * file;
};

struct search {
    const char *pattern; /* one a line, as for grep -F */
    struct sp_files *files;
    unsigned process, processes;
    unsigned seen; /* files so far */
    struct pieces pieces;
    struct late late; /* with several processes: the first one looks at these, when it has all */
    struct text found;
    bool failed;
    bool any; /* lines, or a binary file that matches */
};

static void text_add(struct text *text, const void *bytes, size_t size)
{
    if (size == 0)
        return; /* of no text, there may be no address */
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

/* Whether there is more than one pattern. */
static bool many_patterns(const char *pattern)
{
    size_t first = strcspn(pattern, "\n");

    for (const char *next = pattern + first; *next == '\n'; next += 1 + strcspn(next + 1, "\n"))
        if (strcspn(next + 1, "\n") != first || memcmp(next + 1, pattern, first) != 0)
            return true;
    return false;
}

/* ---- Pieces ---- */

static size_t aligned(const struct pieces *pieces, size_t place)
{
    return (place + pieces->base + ALIGN - 1) / ALIGN * ALIGN - pieces->base;
}

static void pieces_init(struct pieces *pieces, const char *pattern)
{
    pieces->room = BUFFER;
    pieces->base = many_patterns(pattern) ? PLACE_MANY_PATTERNS : PLACE_ONE_PATTERN;
}

static void pieces_begin(struct pieces *pieces, size_t size)
{
    pieces->place = aligned(pieces, 1);
    pieces->size = size;
    pieces->read = 0;
}

/* Make the buffer as large as it must be to keep so many bytes, if it is smaller. */
static void pieces_grow(struct pieces *pieces, size_t kept)
{
    size_t least = kept + 2 * ALIGN + SPARE;
    size_t most = pieces->size - pieces->read + kept + ALIGN + SPARE;

    if (pieces->room >= least)
        return;
    pieces->room += pieces->room / 2;
    if (pieces->room > most)
        pieces->room = most;
    if (pieces->room < least)
        pieces->room = least;
    pieces->base = pieces->room > MAPPED ? PLACE_MAPPED : PLACE_SMALL;
}

/* Read the next piece; of what was read the last `kept` bytes are still needed. */
static void pieces_next(struct pieces *pieces, size_t kept)
{
    size_t count;

    if (pieces->room - pieces->place < ALIGN + SPARE) {
        pieces_grow(pieces, kept);
        pieces->place = aligned(pieces, 1 + kept);
    }
    count = (pieces->room - SPARE - pieces->place) / ALIGN * ALIGN;
    if (count > pieces->size - pieces->read)
        count = pieces->size - pieces->read;
    pieces->place += count;
    pieces->read += count;
}

/* Whether what is printed of a file, and of those after it, depends on those before it. `hole`: it has one. */
static bool is_late(const char *bytes, size_t size, bool hole)
{
    const char *nul = memchr(bytes, '\0', size);
    size_t start = 0;

    if (nul != NULL && !hole && (size_t)(nul - bytes) >= FIRST_LEAST)
        return true;
    while (size - start > LINE_LEAST) {
        const char *end = memrchr(bytes + start, '\n', LINE_LEAST + 1);

        if (end == NULL)
            return true;
        start = (size_t)(end - bytes) + 1;
    }
    return false;
}

/* The end of the line that begins at `start`: its newline, in a binary file also a NUL; NULL: it is not there. */
static const char *find_end(const char *bytes, size_t start, size_t size, bool binary)
{
    if (!binary)
        return memchr(bytes + start, '\n', size - start);
    while (start < size && bytes[start] != '\n' && bytes[start] != '\0')
        start++;
    return start < size ? bytes + start : NULL;
}

/* Read pieces until the line that begins at `start` has its end, or the file ends. Returns whether the file is binary. */
static bool read_line(struct pieces *pieces, const char *bytes, size_t start, bool binary)
{
    while (find_end(bytes, start, pieces->read, binary) == NULL) {
        size_t from = pieces->read;

        pieces_next(pieces, from - start);
        if (pieces->read == from)
            break;
        binary = binary || memchr(bytes + from, '\0', pieces->read - from) != NULL;
    }
    return binary;
}

/* Look through the lines of a file. `name` NULL: lines are printed without it. */
static void search_bytes(struct search *search, const char *path, const char *name,
                         const char *bytes, size_t size, bool hole)
{
    struct pieces *pieces = &search->pieces;
    size_t number = 0, start = 0;
    bool binary = hole;

    pieces_begin(pieces, size);
    while (start < size) {
        const char *line = bytes + start;
        const char *end;
        size_t length;

        binary = read_line(pieces, bytes, start, binary);
        end = find_end(bytes, start, pieces->read, binary);
        length = end != NULL ? (size_t)(end - line) : size - start;
        number++;
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

/* Whether a file has a hole; if its first piece has a NUL, nobody asks. */
static bool has_hole(const struct search *search, const struct sp_file_info *info,
                     const char *bytes, size_t size)
{
    int64_t hole;

    if (size <= FIRST_LEAST || memchr(bytes, '\0', FIRST_LEAST) != NULL)
        return false;
    hole = sp_file_seek_hole(search->files, info->file, 0, NULL);
    return hole >= 0 && (uint64_t)hole < info->size;
}

static void add_late(struct late *late, unsigned number, const char *path)
{
    if (late->count == late->room) {
        late->room = 2 * late->room + 16;
        late->file = realloc(late->file, late->room * sizeof(late->file[0]));
    }
    if (late->file == NULL || (late->file[late->count].path = strdup(path)) == NULL)
        errx(EXIT_CANNOT, "no memory for the names of files");
    late->file[late->count++].number = number;
}

/* Search an open file, and close it. `name` as for search_bytes. `number` among all files; 0: now, whatever it is like. */
static void search_file(struct search *search, const char *path, const char *name,
                        const struct sp_file_info *info, unsigned number)
{
    size_t size;
    char *bytes = read_all(search, path, info, &size);
    bool hole = bytes != NULL && has_hole(search, info, bytes, size);

    (void)sp_file_close(search->files, info->file, NULL);
    if (bytes != NULL && number != 0 && search->processes > 1 && is_late(bytes, size, hole))
        add_late(&search->late, number, path);
    else if (bytes != NULL)
        search_bytes(search, path, name, bytes, size, hole);
    free(bytes);
}

static void search_directory(struct search *search, const char *path,
                             const struct sp_file_info *info);

/* One file or directory that an entry names. */
static void search_entry(struct search *search, char kind, const char *path)
{
    struct sp_file_info info;

    if (kind == 'f' && search->seen++ % search->processes != search->process)
        return;
    if ((kind != 'f' && kind != 'd') || !open_file(search, path, &info))
        return;
    if (info.form == SP_FILE_DIRECTORY)
        search_directory(search, path, &info);
    else
        search_file(search, path, path, &info, search->seen);
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

    if (!open_file(search, path, &info))
        return;
    if (info.form == SP_FILE_DIRECTORY)
        search_directory(search, path, &info);
    else if (search->process == 0)
        search_file(search, path, NULL, &info, 0);
    else
        (void)sp_file_close(search->files, info.file, NULL);
}

/* ---- Processes ---- */

/* Attach, search, and leave what was found in search->found. The connection stays. */
static void search_all(struct search *search, const char *path)
{
    static const struct sp_attach_options options = {.name = NULL};
    struct sp_error error;

    pieces_init(&search->pieces, search->pattern);
    if (sp_files_connect(task_attach(&options), NULL, &search->files, &error) != 0)
        errx(EXIT_CANNOT, "%s", error.text);
    search_path(search, path);
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

/* What a process tells the first one: of a late file its number, and how long the path is that follows; at the end, that of
 * what was found. */
struct told {
    size_t number; /* 0: the end */
    size_t size;
};

static void tell(const struct search *search, int fd)
{
    struct told told = {.size = search->found.size};

    for (unsigned i = 0; i < search->late.count; i++) {
        const struct late_file *file = &search->late.file[i];
        struct told late = {.number = file->number, .size = strlen(file->path)};

        write_all(fd, (const char *)&late, sizeof(late));
        write_all(fd, file->path, late.size);
    }
    write_all(fd, (const char *)&told, sizeof(told));
    write_all(fd, search->found.bytes, told.size);
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
    sp_files_disconnect(&search->files);
    tell(search, ends[1]);
    exit(search->failed ? EXIT_CANNOT : search->any ? 0 : EXIT_NO);
}

/* Read so many bytes; false: the process has ended before. */
static bool hear(int fd, void *bytes, size_t size)
{
    while (size > 0) {
        ssize_t count = read(fd, bytes, size);

        if (count < 0 && errno != EINTR)
            err(EXIT_CANNOT, "cannot hear what was found");
        if (count == 0)
            return false;
        if (count > 0) {
            bytes = (char *)bytes + count;
            size -= (size_t)count;
        }
    }
    return true;
}

static void collect(struct search *search, int fd, pid_t child)
{
    struct told told;
    int status;
    bool all = false;

    while (!all && hear(fd, &told, sizeof(told))) {
        char *bytes = calloc(told.size + 1, 1);

        if (bytes == NULL)
            errx(EXIT_CANNOT, "no memory for what was found");
        if (!hear(fd, bytes, told.size))
            told.size = 0;
        else if (told.number != 0)
            add_late(&search->late, told.number, bytes);
        else
            all = true;
        if (all)
            text_add(&search->found, bytes, told.size);
        free(bytes);
    }
    close(fd);
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
        WEXITSTATUS(status) == EXIT_CANNOT)
        search->failed = true;
    else if (WEXITSTATUS(status) == 0)
        search->any = true;
}

static int compare_late(const void *a, const void *b)
{
    const struct late_file *x = a, *y = b;

    return (x->number > y->number) - (x->number < y->number);
}

/* Search the files that waited for all others. */
static void search_late(struct search *search)
{
    struct sp_file_info info;

    if (search->late.count > 0)
        qsort(search->late.file, search->late.count, sizeof(search->late.file[0]), compare_late);
    for (unsigned i = 0; i < search->late.count; i++) {
        char *path = search->late.file[i].path;

        if (open_file(search, path, &info))
            search_file(search, path, path, &info, 0);
        free(path);
    }
    free(search->late.file);
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
    search_late(&search);
    sp_files_disconnect(&search.files);
    print_sorted(&search.found, output_path);
    free(search.found.bytes);
    return search.failed ? EXIT_CANNOT : search.any ? 0 : EXIT_NO;
}

#include "launch/gnuplot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "launch/spawn.h"
#include "launch/child.h"
#include "os/stdio.h"

#define PATIENCE_MS    60000u
#define SIZE_LEAST     100u
#define SIZE_MOST      20000u
#define PIXELS_AN_INCH 96.0
#define NAME_BESIDE    28u /* characters of a name in a legend beside the picture */
#define TICS_MOST      7u  /* steps of a horizontal axis */
#define OUTPUT         "set output "
#define STATUS_ABSENT  127 /* env: there is no such program */

static int no_memory(struct sp_error *error)
{
    return error_set(error, ENOMEM, "no memory for the picture");
}

static const struct {
    const char *ending, *terminal;
    bool inches; /* the terminal's sizes are not in pixels */
} terminals[] = {
    {".svg", "svg background 'white'", false},
    {".png", "pngcairo", false},
    {".pdf", "pdfcairo", true},
    {".eps", "epscairo", true},
};

static const char *const colours[] = {"#000000", "#d55e00", "#0072b2", "#009e73",
                                      "#cc79a7", "#8a6d00", "#56b4e9", "#7f7f7f"};

#define TERMINALS (sizeof(terminals) / sizeof(terminals[0]))

/* The terminal for a path; TERMINALS: there is none. */
static size_t terminal_of(const char *path)
{
    const char *ending = strrchr(path, '.');
    size_t i = 0;

    while (i < TERMINALS && (ending == NULL || strcmp(ending, terminals[i].ending) != 0))
        i++;
    return i;
}

static bool parse_size(const char *text, unsigned *width, unsigned *height)
{
    int end = 0;

    return sscanf(text, "%5ux%5u%n", width, height, &end) == 2 && text[end] == '\0' &&
           *width >= SIZE_LEAST && *height >= SIZE_LEAST && *width <= SIZE_MOST &&
           *height <= SIZE_MOST;
}

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ')
            return true;
    return false;
}

int gnuplot_check(const char *path, const struct gnuplot_look *look, struct sp_error *error)
{
    unsigned width, height;

    if (terminal_of(path) == TERMINALS)
        return error_set(error, EINVAL, "%.100s: pictures end in .svg, .png, .pdf or .eps", path);
    if (has_control(path) || (look->title != NULL && has_control(look->title)) ||
        (look->font != NULL && has_control(look->font)))
        return error_set(error, EINVAL, "a picture's name, title or font has a control character");
    if (look->size != NULL && !parse_size(look->size, &width, &height))
        return error_set(error, EINVAL,
                         "--size: \"%.40s\" is not WIDTHxHEIGHT, in pixels from %u to %u",
                         look->size, SIZE_LEAST, SIZE_MOST);
    return 0;
}

void gnuplot_text(FILE *script, const char *text)
{
    fputc('\'', script);
    for (; *text != '\0'; text++)
        fprintf(script, "%s%c", *text == '\'' ? "'" : "", *text); /* a quote is written twice */
    fputc('\'', script);
}

void gnuplot_key(FILE *script, size_t longest)
{
    fprintf(script, "set key outside %s Left reverse\n",
            longest > NAME_BESIDE ? "below center horizontal" : "right top vertical");
}

void gnuplot_thousands(FILE *script, uint64_t most)
{
    static const char units[] = " kMGTPE";
    uint64_t step = 1;

    for (unsigned i = 0; most / step > TICS_MOST; i++)
        step = i % 3 == 1 ? step / 2 * 5 : step * 2; /* 1, 2, 5, 10 ... */
    fputs("set xtics (", script);
    for (uint64_t at = 0; at <= most; at += step) {
        double shown = (double)at;
        unsigned unit = 0;

        for (; shown >= 1000; unit++)
            shown /= 1000;
        fprintf(script, "%s'%g%.*s' %llu", at > 0 ? ", " : "", shown, unit > 0, units + unit,
                (unsigned long long)at);
        if (most - at < step)
            break;
    }
    fputs(")\n", script);
}

static void write_terminal(FILE *script, const char *path, const struct gnuplot_look *look,
                           unsigned width, unsigned height)
{
    size_t terminal = terminal_of(path);

    if (look->size != NULL)
        parse_size(look->size, &width, &height);
    fprintf(script, "set terminal %s noenhanced size ", terminals[terminal].terminal);
    if (terminals[terminal].inches)
        fprintf(script, "%.3fin,%.3fin", width / PIXELS_AN_INCH, height / PIXELS_AN_INCH);
    else
        fprintf(script, "%u,%u", width, height);
    if (look->font != NULL) {
        fputs(" font ", script);
        gnuplot_text(script, look->font);
    }
    if (look->title != NULL && look->title[0] != '\0') {
        fputs("\nset title ", script);
        gnuplot_text(script, look->title);
    }
    fputc('\n', script);
    /* Colours that people with any eyes can tell apart, on white. */
    for (unsigned i = 0; i < sizeof(colours) / sizeof(colours[0]); i++)
        fprintf(script, "set linetype %u lc rgb '%s'\n", i + 1, colours[i]);
    fprintf(script, "set linetype cycle %zu\n", sizeof(colours) / sizeof(colours[0]));
}

static void end(struct gnuplot *gnuplot)
{
    new_file_fini(&gnuplot->file);
    if (gnuplot->script != NULL)
        fclose(gnuplot->script);
    if (gnuplot->drawn >= 0)
        close(gnuplot->drawn);
}

int gnuplot_begin(struct gnuplot *gnuplot, const char *path, const struct gnuplot_look *look,
                  unsigned width, unsigned height, struct sp_error *error)
{
    int fd, result;

    *gnuplot = (struct gnuplot){.path = path, .sources = look->sources, .drawn = -1};
    result = new_file_open(&gnuplot->file, path, error);
    if (result != 0)
        return result;
    fd = memfd_create("gnuplot", MFD_CLOEXEC);
    gnuplot->script = fd < 0 ? NULL : fdopen(fd, "w+");
    gnuplot->drawn = memfd_create("picture", MFD_CLOEXEC);
    if (gnuplot->script == NULL || gnuplot->drawn < 0) {
        if (gnuplot->script == NULL && fd >= 0)
            close(fd);
        end(gnuplot);
        return no_memory(error);
    }
    write_terminal(gnuplot->script, path, look, width, height);
    /* gnuplot does not notice where it cannot write: it draws into memory. */
    fprintf(gnuplot->script, OUTPUT " '/proc/%ld/fd/%d'\n", (long)getpid(), gnuplot->drawn);
    return 0;
}

static int run(FILE *script, struct sp_error *error)
{
    static const char *const argv[] = {"env", "gnuplot", "-", NULL};
    struct spawn spawn = {SPAWN_DEFAULTS, .program = "/usr/bin/env", .argv = (char *const *)argv};
    int status = 0, code;
    pid_t pid;

    spawn.input = fileno(script);
    spawn.output = STDERR_FILENO;
    if (fflush(script) != 0 || lseek(spawn.input, 0, SEEK_SET) != 0)
        return no_memory(error);
    code = spawn_program(&spawn, &pid, error);
    if (code == 0)
        code = child_wait(pid, PATIENCE_MS, &status);
    if (code == -ETIMEDOUT)
        return error_set(error, ETIMEDOUT, "no picture: gnuplot does not end");
    if (code != 0)
        return code;
    if (child_exit_status(status) == STATUS_ABSENT)
        return error_set(error, ENOENT,
                         "no picture: gnuplot is not installed (Debian: gnuplot-nox)");
    if (status != 0)
        return error_set(error, EIO, "no picture: gnuplot ended with status %d",
                         child_exit_status(status));
    return 0;
}

/* ---- Beside the picture ---- */

bool gnuplot_beside(const char *path, const char *ending, char beside[GNUPLOT_PATH])
{
    const char *dot = strrchr(path, '.');
    int length = snprintf(beside, GNUPLOT_PATH, "%.*s%s",
                          dot != NULL ? (int)(dot - path) : (int)strlen(path), path, ending);

    return length >= 0 && (unsigned)length < GNUPLOT_PATH;
}

/* The script, that draws to the picture's name. */
static int copy_script(FILE *script, const char *picture, FILE *out)
{
    char *line = NULL;
    size_t room = 0;

    rewind(script);
    while (getline(&line, &room, script) >= 0) {
        if (strncmp(line, OUTPUT, strlen(OUTPUT)) == 0) {
            fputs(OUTPUT, out);
            gnuplot_text(out, picture);
            fputc('\n', out);
        } else {
            fputs(line, out);
        }
    }
    free(line);
    return ferror(script) != 0 ? -EIO : stdio_finish(out);
}

static int write_sources(struct gnuplot *gnuplot, struct sp_error *error)
{
    char path[GNUPLOT_PATH];
    struct new_file file;
    FILE *out;
    int copy, result;

    if (!gnuplot_beside(gnuplot->path, ".gp", path))
        return error_set(error, ENAMETOOLONG, "%.100s: its name is too long", gnuplot->path);
    result = new_file_open(&file, path, error);
    if (result != 0)
        return result;
    copy = dup(file.fd);
    out = copy >= 0 ? fdopen(copy, "w") : NULL;
    result = out == NULL ? -errno : copy_script(gnuplot->script, gnuplot->path, out);
    if (result != 0)
        error_set(error, -result, "%.100s: cannot write: %s", path, strerror(-result));
    if (out != NULL)
        fclose(out);
    else if (copy >= 0)
        close(copy);
    if (result == 0)
        result = new_file_finish(&file, error);
    new_file_fini(&file);
    return result;
}

/* What gnuplot has drawn becomes the file. */
static int copy_picture(const struct gnuplot *gnuplot, struct sp_error *error)
{
    char bytes[16384];
    off_t at = 0;
    ssize_t count;

    while ((count = pread(gnuplot->drawn, bytes, sizeof(bytes), at)) > 0) {
        ssize_t written = write(gnuplot->file.fd, bytes, (size_t)count);

        if (written < 0)
            return error_set(error, errno, "%.100s: cannot write: %s", gnuplot->path,
                             strerror(errno));
        at += written;
    }
    if (count < 0)
        return error_set(error, errno, "no picture: %s", strerror(errno));
    return at > 0 ? 0 : error_set(error, EIO, "no picture: gnuplot has drawn nothing");
}

int gnuplot_draw(struct gnuplot *gnuplot, struct sp_error *error)
{
    int result = run(gnuplot->script, error);

    if (result == 0)
        result = copy_picture(gnuplot, error);
    if (result == 0 && gnuplot->sources)
        result = write_sources(gnuplot, error);
    if (result == 0)
        result = new_file_finish(&gnuplot->file, error);
    end(gnuplot);
    return result;
}

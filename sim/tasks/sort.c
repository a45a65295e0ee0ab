/* selfpage-sort INPUT OUTPUT: what `LC_ALL=C sort INPUT > OUTPUT` does, in memory that this process
 * pages itself.
 *
 * All lines and indexes live in managed memory, most of the time on swap. The algorithm keeps what
 * it works on small, as an external sort would, but needs no temporary file:
 *   1. INPUT is cut into runs that fit --run-pages frames. Each is read into region 0, sorted by an
 *      index of its lines, and its lines are written in order to the same place of region 1.
 *   2. As long as there are more than --fan-in runs, neighbours are merged from one region to the
 *      same place of the other.
 *   3. What is left is merged into OUTPUT.
 * Pages that have been read for the last time are discarded, so that they are never written to
 * swap. Region addresses are never given to read(2) or write(2), which cannot fault pages in. */
#include <err.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <selfpage/selfpage.h>

#include "common.h"

#define INPUT_BUFFER 65536
#define FAN_IN_MOST  1024 /* runs: bounds the stack that a merge takes, 32 bytes each */

/* A line of the run being sorted, without its newline. */
struct line {
    uint32_t start; /* within the run */
    uint32_t length;
};

/* Sorted lines, each with a newline: bytes start to end of the current region. */
struct run {
    size_t start;
    size_t end;
};

/* Where a merge stands in one run. */
struct cursor {
    const char *line;
    size_t length;      /* of the line without its newline */
    const char *end;    /* of the run */
    const char *unread; /* page from which nothing has been discarded */
};

/* What is sorted: a file, or (memory) one of a file server, as a region. */
struct input {
    const char *path;
    const char *memory;
    int fd;
    size_t size;
};

struct sorter {
    struct sp_task *task;
    char *text[2];
    struct line *index; /* of the run being sorted */
    struct line *spare; /* as large: sorting goes to and fro */
    size_t lines;       /* in the index */
    size_t budget;      /* bytes that a run's text and indexes may take */
    struct run *runs;
    size_t run_count, run_room;
    size_t total_lines;
};

/* Let go of the whole pages between two places. */
static void discard(struct sorter *sorter, const char *from, const char *to)
{
    uintptr_t first = ((uintptr_t)from + SP_PAGE_SIZE - 1) / SP_PAGE_SIZE;
    uintptr_t last = (uintptr_t)to / SP_PAGE_SIZE;

    if (first < last)
        sp_discard(sorter->task, (void *)(first * SP_PAGE_SIZE), last - first);
}

/* Bytes compare as unsigned numbers; of two lines of which one begins the other, the shorter comes
 * first. */
static bool is_after(const char *a, size_t a_length, const char *b, size_t b_length)
{
    int order = memcmp(a, b, a_length < b_length ? a_length : b_length);

    return order != 0 ? order > 0 : a_length > b_length;
}

/* ---- Input ---- */

static void input_open(struct input *input, struct sp_task *task, const char *path, bool served)
{
    input->path = path;
    input->fd = -1;
    input->memory = NULL;
    if (served)
        input->memory = served_open(task, path, 0, &input->size);
    else
        input->fd = file_open(path, &input->size);
}

static size_t input_read(const struct input *input, char *buffer, size_t size, size_t offset)
{
    if (input->memory == NULL)
        return file_read(input->fd, input->path, buffer, size, offset);
    memcpy(buffer, input->memory + offset, size);
    return size;
}

/* ---- Runs ---- */

/* Merge the sorted parts start to middle and middle to end of `from` to the same place of `to`. */
static void merge_lines(const char *text, const struct line *from, struct line *to, size_t start,
                        size_t middle, size_t end)
{
    size_t a = start, b = middle;

    for (size_t out = start; out < end; out++) {
        bool take_b = a == middle || (b < end && is_after(text + from[a].start, from[a].length,
                                                          text + from[b].start, from[b].length));

        to[out] = from[take_b ? b++ : a++];
    }
}

static void sort_index(struct sorter *sorter, const char *text)
{
    size_t n = sorter->lines;

    for (size_t width = 1; width < n; width *= 2) {
        struct line *from = sorter->index, *to = sorter->spare;

        for (size_t start = 0; start < n; start += 2 * width) {
            size_t middle = n - start < width ? n : start + width;
            size_t end = n - middle < width ? n : middle + width;

            merge_lines(text, from, to, start, middle, end);
        }
        sorter->index = to;
        sorter->spare = from;
    }
}

static void add_run(struct sorter *sorter, size_t start, size_t end)
{
    if (sorter->run_count == sorter->run_room) {
        sorter->run_room = sorter->run_room * 2 + 64;
        sorter->runs = reallocarray(sorter->runs, sorter->run_room, sizeof(*sorter->runs));
        if (sorter->runs == NULL)
            err(EXIT_CANNOT, "memory for %zu runs", sorter->run_room);
    }
    sorter->runs[sorter->run_count++] = (struct run){start, end};
}

/* Bytes start to end of region 0 are the lines of the index: sort them into region 1. */
static void finish_run(struct sorter *sorter, size_t start, size_t end)
{
    const char *text = sorter->text[0] + start;
    char *to = sorter->text[1] + start;

    sort_index(sorter, text);
    for (size_t i = 0; i < sorter->lines; i++) {
        memcpy(to, text + sorter->index[i].start, sorter->index[i].length + (size_t)1);
        to += sorter->index[i].length + (size_t)1;
    }
    discard(sorter, text, sorter->text[0] + end);
    add_run(sorter, start, end);
    sorter->total_lines += sorter->lines;
    sorter->lines = 0;
}

/* The line from *line to `end`, its newline included, is complete. */
static void add_line(struct sorter *sorter, size_t *run, size_t line, size_t end)
{
    size_t index_bytes = (sorter->lines + 1) * 2 * sizeof(struct line);

    if (sorter->lines > 0 && end - *run + index_bytes > sorter->budget) {
        finish_run(sorter, *run, line);
        *run = line;
    }
    if (end - *run > UINT32_MAX)
        errx(EXIT_CANNOT, "the line at byte %zu is longer than 4 GiB", line);
    sorter->index[sorter->lines++] =
        (struct line){(uint32_t)(line - *run), (uint32_t)(end - line - 1)};
}

/* Read INPUT, cut it into sorted runs. A last line without a newline gets one. Returns the bytes.
 */
static size_t make_runs(struct sorter *sorter, const struct input *input)
{
    size_t size = input->size;

    char *buffer = malloc(INPUT_BUFFER), *text = sorter->text[0];
    size_t run = 0, line = 0, at = 0, got, used, part;
    const char *newline;

    if (buffer == NULL)
        err(EXIT_CANNOT, "input buffer");
    while (at < size) {
        part = size - at < INPUT_BUFFER ? size - at : INPUT_BUFFER;
        got = input_read(input, buffer, part, at);
        if (got < part)
            errx(EXIT_CANNOT, "'%s' became shorter while it was read", input->path);
        for (used = 0; used < got; used += part) {
            newline = memchr(buffer + used, '\n', got - used);
            part = newline != NULL ? (size_t)(newline + 1 - buffer) - used : got - used;
            memcpy(text + at, buffer + used, part);
            at += part;
            if (newline != NULL) {
                add_line(sorter, &run, line, at);
                line = at;
            }
        }
    }
    if (line < at) {
        text[at++] = '\n';
        add_line(sorter, &run, line, at);
    }
    if (sorter->lines > 0)
        finish_run(sorter, run, at);
    free(buffer);
    return at;
}

/* ---- Merging ---- */

/* Go to the next line. False at the end of the run. */
static bool cursor_next(struct sorter *sorter, struct cursor *cursor)
{
    const char *next = cursor->line + cursor->length + 1;

    if ((size_t)(next - cursor->unread) >= SP_PAGE_SIZE) {
        discard(sorter, cursor->unread, next);
        cursor->unread = next - (uintptr_t)next % SP_PAGE_SIZE;
    }
    cursor->line = next;
    if (next == cursor->end)
        return false;
    cursor->length =
        (size_t)((const char *)memchr(next, '\n', (size_t)(cursor->end - next)) - next);
    return true;
}

/* Restore the heap, smallest line on top, after its element `i` has become larger. */
static void sift_down(struct cursor *heap, size_t count, size_t i)
{
    struct cursor moving = heap[i];
    size_t child;

    while ((child = 2 * i + 1) < count) {
        if (child + 1 < count && is_after(heap[child].line, heap[child].length,
                                          heap[child + 1].line, heap[child + 1].length))
            child++;
        if (!is_after(moving.line, moving.length, heap[child].line, heap[child].length))
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = moving;
}

/* Merge runs of the region `from`, to memory at `to`, or, if that is NULL, to `output`. */
static void merge(struct sorter *sorter, const char *from, const struct run *runs, size_t count,
                  char *to, struct output *output)
{
    struct cursor heap[FAN_IN_MOST];

    for (size_t i = 0; i < count; i++) {
        const char *start = from + runs[i].start;
        const char *newline = memchr(start, '\n', runs[i].end - runs[i].start);

        heap[i] = (struct cursor){start, (size_t)(newline - start), from + runs[i].end, start};
    }
    for (size_t i = count / 2; i-- > 0;)
        sift_down(heap, count, i);
    while (count > 0) {
        if (to != NULL) {
            memcpy(to, heap[0].line, heap[0].length + 1);
            to += heap[0].length + 1;
        } else {
            output_write(output, heap[0].line, heap[0].length + 1);
        }
        if (!cursor_next(sorter, &heap[0]))
            heap[0] = heap[--count];
        sift_down(heap, count, 0);
    }
}

/* Merge neighbours until `fan_in` runs are left. Returns the region they are in. */
static char *merge_passes(struct sorter *sorter, size_t fan_in)
{
    char *from = sorter->text[1], *to = sorter->text[0], *swap;

    while (sorter->run_count > fan_in) {
        size_t merged = 0;

        for (size_t i = 0; i < sorter->run_count; i += fan_in) {
            size_t rest = sorter->run_count - i, count = rest < fan_in ? rest : fan_in;
            struct run *group = &sorter->runs[i];

            merge(sorter, from, group, count, to + group[0].start, NULL);
            sorter->runs[merged++] = (struct run){group[0].start, group[count - 1].end};
        }
        sorter->run_count = merged;
        swap = from;
        from = to;
        to = swap;
    }
    return from;
}

/* ---- The program ---- */

static void usage(void)
{
    puts("Usage: selfpage-sort [OPTION]... INPUT OUTPUT\n"
         "Sort the lines of INPUT by their bytes, as LC_ALL=C sort does, in managed memory.\n"
         "\n"
         "  --run-pages N  pages of text and index that are sorted at a time\n"
         "                 (default: half of the contract's frames)\n"
         "  --fan-in N     runs that are merged at a time, 2 to 1024\n"
         "                 (default: a quarter of the contract's frames)\n"
         "  --served       INPUT is a file of the file server, read through a region\n"
         "  -h, --help\n"
         "\n"
         "Contract, policy and servers come from SELFPAGE_* in the environment.\n"
         "Exit status: 0, or 2 if it could not be done.");
}

/* Fill in what was not asked for, by the frames that the contract gives. */
static void choose_sizes(struct sorter *sorter, size_t *run_pages, size_t *fan_in)
{
    struct sp_stats stats;
    size_t frames;

    sp_get_stats(sorter->task, &stats);
    frames = stats.guaranteed > 0 ? stats.guaranteed : stats.extra;
    if (*run_pages == 0)
        *run_pages = frames / 2 > 4 ? frames / 2 : 4;
    if (*fan_in == 0)
        *fan_in = frames / 4 > 2 ? frames / 4 : 2;
    if (*fan_in > FAN_IN_MOST)
        *fan_in = FAN_IN_MOST;
}

static void sort_file(struct sorter *sorter, const struct input *input, const char *output_path,
                      size_t run_pages, size_t fan_in)
{
    size_t most_lines, index_bytes, bytes, first_runs;
    struct output output;
    struct sp_stats stats;

    output_open(&output, output_path);
    choose_sizes(sorter, &run_pages, &fan_in);
    /* Everything is written before it is read, so frames need not be cleared. */
    sorter->budget = run_pages * SP_PAGE_SIZE;
    most_lines = sorter->budget / (1 + 2 * sizeof(struct line)) + 1;
    index_bytes = most_lines * sizeof(struct line);
    sorter->index = region_create(sorter->task, index_bytes, SP_PRECIOUS, SP_REGION_UNDEFINED);
    sorter->spare = region_create(sorter->task, index_bytes, SP_PRECIOUS, SP_REGION_UNDEFINED);
    for (int i = 0; i < 2; i++)
        sorter->text[i] =
            region_create(sorter->task, input->size + 1, SP_PRECIOUS, SP_REGION_UNDEFINED);
    bytes = make_runs(sorter, input);
    first_runs = sorter->run_count;
    if (bytes > 0) {
        const char *from = merge_passes(sorter, fan_in);

        merge(sorter, from, sorter->runs, sorter->run_count, NULL, &output);
    }
    output_close(&output);
    sp_get_stats(sorter->task, &stats);
    printf("selfpage-sort: %zu lines, %zu bytes, %zu runs; %llu faults, %llu pages to swap, %llu "
           "back\n",
           sorter->total_lines, bytes, first_runs, (unsigned long long)stats.faults,
           (unsigned long long)stats.swapped_out, (unsigned long long)stats.swapped_in);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"run-pages", required_argument, NULL, 'r'},
        {"fan-in", required_argument, NULL, 'f'},
        {"served", no_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct sorter sorter = {.task = NULL};
    size_t run_pages = 0, fan_in = 0;
    struct input input;
    bool served = false;
    int choice;

    while ((choice = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (choice) {
        case 'r':
            run_pages = option_count("run-pages", optarg, 1, UINT32_MAX / SP_PAGE_SIZE);
            break;
        case 'f':
            fan_in = option_count("fan-in", optarg, 2, FAN_IN_MOST);
            break;
        case 's':
            served = true;
            break;
        case 'h':
            usage();
            return option_helped();
        default:
            return option_unknown();
        }
    }
    option_arguments(argc, argv, 2, "INPUT or OUTPUT");
    sorter.task = task_attach(NULL);
    input_open(&input, sorter.task, argv[optind], served);
    sort_file(&sorter, &input, argv[optind + 1], run_pages, fan_in);
    free(sorter.runs);
    return 0;
}

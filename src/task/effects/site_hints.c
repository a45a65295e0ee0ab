#include "task/effects/site_hints.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "base/error.h"
#include "os/unlocked.h"

#define HINTS_MOST 256u
#define LINE_MOST  512
#define PAGES_MOST 64u
/* Pages of a stride, at most: more than a task can have. */
#define STRIDE_MOST (1 << 30)

struct hint {
    uint64_t offset;
    uint32_t pages;
    int32_t stride;
    char file[FAULT_TABLE_PATH];
};

struct site_hints {
    uint32_t count;
    struct hint hint[HINTS_MOST];
};

/* `FILE+OFFSET`: the file may hold a plus. */
static bool parse_place(char *place, struct hint *hint)
{
    char *plus = strrchr(place, '+'), *end;

    check(place[0] != '\0');
    if (plus == NULL || plus == place || plus - place >= (int)sizeof(hint->file))
        return false;
    *plus = '\0';
    errno = 0;
    hint->offset = strtoull(plus + 1, &end, 16);
    snprintf(hint->file, sizeof(hint->file), "%s", place);
    return errno == 0 && end != plus + 1 && *end == '\0' && strchr(place, '/') == NULL;
}

static bool parse(char *line, struct hint *hint)
{
    long pages, stride;
    int place = 0;

    if (sscanf(line, " ahead %ld %ld %n", &pages, &stride, &place) != 2 || line[place] == '\0' ||
        place == 0)
        return false;
    if (pages < 1 || pages > (long)PAGES_MOST || stride == 0 || stride < -STRIDE_MOST ||
        stride > STRIDE_MOST)
        return false;
    check(place < LINE_MOST);
    hint->pages = (uint32_t)pages;
    hint->stride = (int32_t)stride;
    check(hint->pages > 0 && hint->stride != 0);
    return parse_place(line + place, hint);
}

static int take_line(struct site_hints *hints, char *line, const char *path, unsigned number,
                     struct sp_error *error)
{
    char *end = line + strlen(line);

    while (end > line && strchr(" \t\r\n", end[-1]) != NULL)
        *--end = '\0';
    line += strspn(line, " \t");
    if (*line == '\0' || *line == '#')
        return 0;
    check(hints->count <= HINTS_MOST);
    if (hints->count == HINTS_MOST)
        return error_set(error, EINVAL, "SELFPAGE_HINTS: %.150s has more than %u hints", path,
                         HINTS_MOST);
    if (!parse(line, &hints->hint[hints->count]))
        return error_set(error, EINVAL,
                         "SELFPAGE_HINTS: %.120s, line %u: it should be ahead PAGES STRIDE "
                         "FILE+OFFSET, with 1 to %u pages",
                         path, number, PAGES_MOST);
    hints->count++;
    return 0;
}

static int read_lines(struct site_hints *hints, FILE *file, const char *path,
                      struct sp_error *error)
{
    char line[LINE_MOST];
    unsigned number = 0;
    int result = 0;

    check(hints->count == 0);
    while (result == 0 && fgets(line, sizeof(line), file) != NULL) {
        number++;
        if (strchr(line, '\n') == NULL && !feof(file))
            return error_set(error, EINVAL, "SELFPAGE_HINTS: %.120s, line %u is too long", path,
                             number);
        result = take_line(hints, line, path, number, error);
    }
    if (result == 0 && ferror(file))
        return error_set(error, errno, "SELFPAGE_HINTS: cannot read %.150s: %s", path,
                         strerror(errno));
    return result;
}

int site_hints_read(struct site_hints **hintsp, const char *path, struct sp_error *error)
{
    FILE *file = fopen(path, "re");
    int result;

    if (file == NULL)
        return error_set(error, errno, "SELFPAGE_HINTS: cannot read %.150s: %s", path,
                         strerror(errno));
    *hintsp = unlocked_map(NULL, sizeof(**hintsp), MAP_PRIVATE | MAP_ANONYMOUS, -1);
    result = *hintsp == NULL ? error_set(error, ENOMEM, "no memory for hints")
                             : read_lines(*hintsp, file, path, error);
    fclose(file);
    check(result != 0 || (*hintsp)->count <= HINTS_MOST);
    return result;
}

void site_hints_apply(const struct site_hints *hints, const struct fault_object *object,
                      struct fault_site *site)
{
    uint64_t offset = site->code - object->first + object->offset;
    const char *slash = strrchr(object->path, '/');
    const char *name = slash != NULL ? slash + 1 : object->path;

    check(site->code >= object->first && site->code < object->end);
    for (uint32_t i = 0; i < hints->count; i++) {
        const struct hint *hint = &hints->hint[i];

        if (hint->offset != offset || strcmp(hint->file, name) != 0)
            continue;
        site->hint_stride = hint->stride;
        site->hint_pages = hint->pages;
    }
}

void site_hints_free(struct site_hints **hintsp)
{
    if (*hintsp != NULL)
        munmap(*hintsp, sizeof(**hintsp));
    *hintsp = NULL;
    check(*hintsp == NULL);
}

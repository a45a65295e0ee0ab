#include "selfpage/faults/tables.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"

#define ENDING ".faults"

/* Read as much as there is of a table; a byte more shows a file that is too long. */
static size_t read_bytes(int fd, void *bytes, size_t size)
{
    size_t length = 0;

    while (length < size) {
        ssize_t got = read(fd, (char *)bytes + length, size - length);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        length += (size_t)got;
    }
    return length;
}

static int take_table(struct tables *tables, int fd, const char *path, struct sp_error *error)
{
    struct fault_table *table = calloc(1, sizeof(*table) + 1);
    struct fault_table **list =
        realloc(tables->table, (tables->count + 1) * sizeof(struct fault_table *));
    const char *wrong;

    if (list != NULL)
        tables->table = list;
    if (table == NULL || list == NULL) {
        free(table);
        return error_set(error, ENOMEM, "no memory for %.150s", path);
    }
    wrong = fault_table_check(table, read_bytes(fd, table, sizeof(*table) + 1));
    if (wrong != NULL) {
        free(table);
        return error_set(error, EINVAL, "%.150s: %s", path, wrong);
    }
    list[tables->count++] = table;
    return 0;
}

static int read_file(struct tables *tables, const char *path, struct sp_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int result;

    if (fd < 0)
        return error_set(error, errno, "cannot read %.150s: %s", path, strerror(errno));
    result = take_table(tables, fd, path, error);
    close(fd);
    return result;
}

static int is_table(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    return length > strlen(ENDING) && strcmp(entry->d_name + length - strlen(ENDING), ENDING) == 0;
}

static int read_directory(struct tables *tables, const char *path, struct sp_error *error)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, is_table, alphasort);
    int result = 0;

    if (count < 0)
        return error_set(error, errno, "cannot read %.150s: %s", path, strerror(errno));
    if (count == 0)
        result = error_set(error, ENOENT,
                           "no task has left a table in %.150s: a program must call sp_attach, and "
                           "be started with SELFPAGE_FAULTS, which selfpage run --faults sets",
                           path);
    for (int i = 0; i < count; i++) {
        char file[4096];

        if (result == 0 &&
            snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name) >= (int)sizeof(file))
            result = error_set(error, ENAMETOOLONG, "%.100s: the path is too long", path);
        if (result == 0)
            result = read_file(tables, file, error);
        free(entries[i]);
    }
    free(entries);
    return result;
}

int tables_read(struct tables *tables, const char *path, struct sp_error *error)
{
    struct stat info;

    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return read_directory(tables, path, error);
    return read_file(tables, path, error);
}

void tables_fini(struct tables *tables)
{
    for (size_t i = 0; i < tables->count; i++)
        free(tables->table[i]);
    free(tables->table);
    *tables = (struct tables){.count = 0};
}

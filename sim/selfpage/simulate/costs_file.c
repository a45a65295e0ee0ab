#include "selfpage/simulate/costs_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "selfpage/scenario/costs.h"

/* One line without its comment. */
static const char *take_line(char *line, struct costs *costs)
{
    char name[32], value[32], rest;
    int found;

    line[strcspn(line, "#\n")] = '\0';
    if (line[strspn(line, " \t\r")] == '\0')
        return NULL;
    found = sscanf(line, " %31[a-z_] : %31s %c", name, value, &rest);
    return found == 2 ? costs_set(costs, name, value) : "expected NAME: TIME";
}

int costs_file_read(const char *path, struct costs *costs, struct sp_error *error)
{
    FILE *file = fopen(path, "re");
    const char *wrong = NULL;
    unsigned number = 0;
    char line[256];

    if (file == NULL)
        return error_set(error, errno, "%.160s: %s", path, strerror(errno));
    while (wrong == NULL && fgets(line, sizeof line, file) != NULL) {
        number++;
        wrong = strlen(line) == sizeof line - 1 ? "the line is too long" : take_line(line, costs);
    }
    if (wrong == NULL && ferror(file))
        wrong = strerror(errno);
    fclose(file);
    return wrong == NULL ? 0 : error_set(error, EINVAL, "%.160s:%u: %s", path, number, wrong);
}

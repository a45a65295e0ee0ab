#include "selfpage/simulate/costs_file.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "core/contracts/terms_text.h"
#include "play/device.h"

/* Longest cost: keeps sums of times far from overflow. */
#define LONGEST_NS (UINT64_C(3600) * 1000000000)

static const struct {
    const char *name;
    size_t offset;
} fields[] = {
#define COSTS_ENTRY(name, value, meaning) {#name, offsetof(struct costs, name)},
    PLAY_COSTS(COSTS_ENTRY)
#undef COSTS_ENTRY
};

/* Returns 0, or what is wrong. */
static const char *set(struct costs *costs, const char *name, const char *value)
{
    uint64_t ns;

    if (strcmp(name, "depth") == 0) {
        char *end;
        unsigned long depth = strtoul(value, &end, 10);

        if (*end != '\0' || *value < '0' || *value > '9' || depth < 1 || depth > DEVICE_DEPTH_MAX)
            return "depth is a whole number from 1 to 64";
        costs->depth = (uint32_t)depth;
        return NULL;
    }
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (strcmp(name, fields[i].name) != 0)
            continue;
        if (terms_text_time(value, strlen(value), &ns) != 0 || ns > LONGEST_NS)
            return "the time is a whole number and ns, us, ms or s, as in 1500ns, at most an hour";
        memcpy((char *)costs + fields[i].offset, &ns, sizeof ns);
        return NULL;
    }
    return "there is no such cost (selfpage simulate --help lists them)";
}

/* One line without its comment. */
static const char *take_line(char *line, struct costs *costs)
{
    char name[32], value[32], rest;
    int found;

    line[strcspn(line, "#\n")] = '\0';
    if (line[strspn(line, " \t\r")] == '\0')
        return NULL;
    found = sscanf(line, " %31[a-z_] : %31s %c", name, value, &rest);
    return found == 2 ? set(costs, name, value) : "expected NAME: TIME";
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
        wrong = "it cannot be read";
    fclose(file);
    return wrong == NULL ? 0 : error_set(error, EINVAL, "%.160s:%u: %s", path, number, wrong);
}

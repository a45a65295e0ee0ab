/* libcyaml's complaints about a file, in the words of people who write such files. */
#include "yaml/complaint.h"

#include <stdio.h>
#include <string.h>

/* Put `part` before the path: ".name" or "[number]". */
static void complaint_enclose(struct complaint *complaint, const char *part)
{
    char path[YAML_PATH_MAX];
    const char *rest = complaint->path;
    bool dot = *rest != '\0' && *rest != '[';

    snprintf(path, sizeof path, "%.60s%s%.60s", part, dot ? "." : "", rest);
    strcpy(complaint->path, path);
}

void complaint_listen(cyaml_log_t level, void *context, const char *format, va_list values)
{
    struct complaint *complaint = context;
    char line[256], name[64], part[80];
    unsigned number;

    if (level < CYAML_LOG_ERROR)
        return;
    vsnprintf(line, sizeof line, format, values);
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, "  in ", 5) != 0) {
        if (*complaint->what == '\0' && strncmp(line, "Load: ", 6) == 0)
            snprintf(complaint->what, sizeof complaint->what, "%.159s", line + 6);
        return;
    }
    if (sscanf(line, "  in mapping field '%63[^']'", name) == 1) {
        complaint->in_field |= !complaint->placed;
        complaint_enclose(complaint, name);
    } else if (sscanf(line, "  in sequence entry '%u'", &number) == 1) {
        snprintf(part, sizeof part, "[%u]", number);
        if (number > 0) /* 0: the sequence as such */
            complaint_enclose(complaint, part);
    }
    complaint->placed = true;
}

/* Cut the path's last name: a mapping's missing field is reported with the last one it has. */
static void complaint_ascend(struct complaint *complaint)
{
    char *dot = strrchr(complaint->path, '.');

    if (dot != NULL && strchr(dot, ']') == NULL)
        *dot = '\0';
    else if (strchr(complaint->path, '[') == NULL)
        *complaint->path = '\0';
}

/* Turn a sentence about a field's name into the field's path and our own words. */
static bool translate_field(struct complaint *complaint)
{
    static const struct {
        const char *theirs, *ours;
    } sentences[] = {{"Unexpected key: ", "unknown field"},
                     {"Missing required mapping field: ", "the field is missing"},
                     {"Mapping field already seen: ", "the field appears twice"}};
    char path[YAML_PATH_MAX];

    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++) {
        const char *theirs = sentences[i].theirs;

        if (strncmp(complaint->what, theirs, strlen(theirs)) != 0)
            continue;
        if (complaint->in_field)
            complaint_ascend(complaint);
        snprintf(path, sizeof path, "%.60s%s%.60s", complaint->path,
                 *complaint->path != '\0' ? "." : "", complaint->what + strlen(theirs));
        strcpy(complaint->path, path);
        strcpy(complaint->what, sentences[i].ours);
        complaint->unknown_field = i == 0;
        return true;
    }
    return false;
}

/* A word of libcyaml's for what it wants or found. */
static const char *word_translate(const char *theirs)
{
    static const struct {
        const char *theirs, *ours;
    } words[] = {{"MAPPING", "fields, each as NAME: VALUE"},
                 {"SEQUENCE", "a list"},
                 {"STRING", "a text"},
                 {"UINT", "a whole number"},
                 {"FLOAT", "a number"},
                 {"ENUM", "yes or no"},
                 {"SCALAR", "a single value"},
                 {"SEQUENCE_START", "a list"},
                 {"MAPPING_START", "fields"}};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].theirs, theirs) == 0)
            return words[i].ours;
    return theirs;
}

/* Turn a sentence about a value into our own words. */
static void translate_value(struct complaint *complaint)
{
    char theirs[sizeof complaint->what], wanted[32], found[32];
    unsigned number, least;
    int at = 0;

    strcpy(theirs, complaint->what);
    if (sscanf(theirs, "Expecting %31[A-Z_], got event: %31[A-Z_]", wanted, found) == 2)
        snprintf(complaint->what, sizeof complaint->what, "expected %s, not %s",
                 word_translate(wanted), word_translate(found));
    else if (sscanf(theirs, "Invalid ENUM value: %n", &at) == 0 && at > 0)
        snprintf(complaint->what, sizeof complaint->what, "expected yes or no, not \"%.100s\"",
                 theirs + at);
    else if (sscanf(theirs, "STRING length < %u", &number) == 1)
        snprintf(complaint->what, sizeof complaint->what,
                 "expected a text, but the value is missing");
    else if (sscanf(theirs, "STRING length > %u: %n", &number, &at) == 1)
        snprintf(complaint->what, sizeof complaint->what, "longer than %u characters: \"%.60s\"...",
                 number, theirs + at);
    else if (sscanf(theirs, "Insufficient entries (%u of %u min)", &number, &least) == 2)
        snprintf(complaint->what, sizeof complaint->what,
                 "the list has %u entries, and must have at least %u", number, least);
    else if (sscanf(theirs, "Excessive entries (%u max)", &number) == 1)
        snprintf(complaint->what, sizeof complaint->what, "the list has more than %u entries",
                 number);
    else if (sscanf(theirs, "No anchor found for alias: '%31[^']'", found) == 1)
        snprintf(complaint->what, sizeof complaint->what,
                 "*%s stands for what &%s marks, and nothing is marked so before", found, found);
}

void complaint_translate(struct complaint *complaint, cyaml_err_t code)
{
    if (*complaint->what == '\0')
        snprintf(complaint->what, sizeof complaint->what, "%s", cyaml_strerror(code));
    if (!translate_field(complaint))
        translate_value(complaint);
}

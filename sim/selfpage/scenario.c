/* Reading scenarios: the schema for libcyaml, and its complaints turned into ours. */
#include "scenario.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* Longest scenario file, in bytes: far more than anyone writes, far less than memory. */
enum { SCENARIO_BYTES = 1 << 20 };

static const cyaml_strval_t booleans[] = {{"false", 0}, {"no", 0}, {"true", 1}, {"yes", 1}};

#define BOOLEAN(key, structure, member)                                                            \
    CYAML_FIELD_ENUM(key, CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, structure, member, booleans,    \
                     CYAML_ARRAY_LEN(booleans))
#define TEXT(key, flags, structure, member, least, most)                                           \
    CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | (flags), structure, member, least, most)
#define TEXTS(key, structure, member)                                                              \
    CYAML_FIELD_SEQUENCE(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, structure, member,         \
                         &text_schema, 0, SCENARIO_EVENTS)

static const cyaml_schema_value_t text_schema = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 0, 65535)};

static const cyaml_schema_field_t physmem_fields[] = {
    CYAML_FIELD_UINT("frames", CYAML_FLAG_DEFAULT, struct scenario_physmem, frames),
    CYAML_FIELD_UINT("reserve", CYAML_FLAG_OPTIONAL, struct scenario_physmem, reserve),
    TEXT("arbiter", CYAML_FLAG_OPTIONAL, struct scenario_physmem, arbiter, 1, 4000),
    CYAML_FIELD_FLOAT("chaos_unmap", CYAML_FLAG_OPTIONAL, struct scenario_physmem, chaos_unmap),
    CYAML_FIELD_UINT("seed", CYAML_FLAG_OPTIONAL, struct scenario_physmem, seed),
    TEXTS("args", struct scenario_physmem, args),
    CYAML_FIELD_END};

static const cyaml_schema_field_t swap_fields[] = {
    CYAML_FIELD_UINT("slots", CYAML_FLAG_DEFAULT, struct scenario_swap, slots),
    TEXT("file", CYAML_FLAG_OPTIONAL, struct scenario_swap, file, 1, 4000),
    BOOLEAN("keep", struct scenario_swap, keep),
    BOOLEAN("buffered", struct scenario_swap, buffered),
    CYAML_FIELD_FLOAT("fail_writes", CYAML_FLAG_OPTIONAL, struct scenario_swap, fail_writes),
    TEXTS("args", struct scenario_swap, args),
    CYAML_FIELD_END};

static const cyaml_schema_field_t task_fields[] = {
    TEXT("name", CYAML_FLAG_DEFAULT, struct scenario_task, name, 1, SP_NAME_MAX - 1),
    TEXT("program", CYAML_FLAG_DEFAULT, struct scenario_task, program, 1, 4000),
    TEXTS("arguments", struct scenario_task, arguments),
    TEXT("policy", CYAML_FLAG_OPTIONAL, struct scenario_task, policy, 1, 4000),
    TEXT("contract", CYAML_FLAG_DEFAULT, struct scenario_task, contract, 1, 1000),
    TEXT("start", CYAML_FLAG_OPTIONAL, struct scenario_task, start, 1, 30),
    TEXT("stop_after", CYAML_FLAG_OPTIONAL, struct scenario_task, stop_after, 1, 30),
    BOOLEAN("pager_thread", struct scenario_task, pager_thread),
    TEXT("expect_exit", CYAML_FLAG_OPTIONAL, struct scenario_task, expect_exit, 1, 30),
    CYAML_FIELD_END};

static const cyaml_schema_value_t task_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct scenario_task, task_fields)};

static const cyaml_schema_field_t event_fields[] = {
    TEXT("at", CYAML_FLAG_DEFAULT, struct scenario_event, at, 1, 30),
    TEXT("signal", CYAML_FLAG_OPTIONAL, struct scenario_event, signal, 1, 30),
    CYAML_FIELD_UINT("recall", CYAML_FLAG_OPTIONAL, struct scenario_event, recall),
    TEXT("stop", CYAML_FLAG_OPTIONAL, struct scenario_event, stop, 1, 30),
    TEXT("kill", CYAML_FLAG_OPTIONAL, struct scenario_event, kill, 1, 30),
    TEXT("restart", CYAML_FLAG_OPTIONAL, struct scenario_event, restart, 1, 30),
    TEXT("task", CYAML_FLAG_OPTIONAL, struct scenario_event, task, 1, SP_NAME_MAX - 1),
    CYAML_FIELD_END};

static const cyaml_schema_value_t event_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct scenario_event, event_fields)};

static const cyaml_schema_field_t command_fields[] = {
    TEXT("command", CYAML_FLAG_DEFAULT, struct scenario_command, command, 1, 65535),
    TEXT("text", CYAML_FLAG_DEFAULT, struct scenario_command, text, 1, 1000), CYAML_FIELD_END};

static const cyaml_schema_value_t command_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct scenario_command, command_fields)};

static const cyaml_schema_field_t scenario_fields[] = {
    CYAML_FIELD_MAPPING("physmem", CYAML_FLAG_DEFAULT, struct scenario, physmem, physmem_fields),
    CYAML_FIELD_MAPPING_PTR("swap", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct scenario, swap,
                            swap_fields),
    CYAML_FIELD_SEQUENCE("tasks", CYAML_FLAG_POINTER, struct scenario, tasks, &task_schema, 1,
                         SCENARIO_TASKS),
    CYAML_FIELD_SEQUENCE("events", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct scenario,
                         events, &event_schema, 0, SCENARIO_EVENTS),
    TEXT("timeout", CYAML_FLAG_OPTIONAL, struct scenario, timeout, 1, 30),
    TEXTS("expect", struct scenario, expect),
    CYAML_FIELD_SEQUENCE("check", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct scenario, check,
                         &command_schema, 0, SCENARIO_EVENTS),
    CYAML_FIELD_END};

static const cyaml_schema_value_t scenario_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct scenario, scenario_fields)};

/* What libcyaml says about a mistake: a sentence, and then, line by line from the inside to the
 * outside, where it was ("in mapping field 'frames' (line: 4, column: 13)"). */
struct complaint {
    char what[128]; /* the sentence; "" while there is none */
    char path[YAML_PATH_MAX];
    bool placed;   /* the innermost place has been told: */
    bool in_field; /* it is a field, not a mapping as such or an element */
};

/* Put `part` before the path: ".name" or "[number]". */
static void complaint_enclose(struct complaint *complaint, const char *part)
{
    char path[YAML_PATH_MAX];
    const char *rest = complaint->path;
    bool dot = *rest != '\0' && *rest != '[';

    snprintf(path, sizeof path, "%.60s%s%.60s", part, dot ? "." : "", rest);
    strcpy(complaint->path, path);
}

SP_PRINTF(3, 0)
static void complaint_listen(cyaml_log_t level, void *context, const char *format, va_list values)
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
            snprintf(complaint->what, sizeof complaint->what, "%.127s", line + 6);
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
static void complaint_translate(struct complaint *complaint)
{
    static const struct {
        const char *theirs, *ours;
    } sentences[] = {{"Unexpected key: ", "unknown field"},
                     {"Missing required mapping field: ", "the field is missing"},
                     {"Mapping field already seen: ", "the field appears twice"}};
    char path[YAML_PATH_MAX];
    const char *name;

    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++) {
        if (strncmp(complaint->what, sentences[i].theirs, strlen(sentences[i].theirs)) != 0)
            continue;
        name = complaint->what + strlen(sentences[i].theirs);
        if (complaint->in_field)
            complaint_ascend(complaint);
        snprintf(path, sizeof path, "%.60s%s%.60s", complaint->path,
                 *complaint->path != '\0' ? "." : "", name);
        strcpy(complaint->path, path);
        strcpy(complaint->what, sentences[i].ours);
        return;
    }
}

static int scenario_complain(const char *path, struct complaint *complaint, cyaml_err_t code,
                             const struct yaml_index *positions, struct sp_error *error)
{
    if (*complaint->what == '\0')
        snprintf(complaint->what, sizeof complaint->what, "%s", cyaml_strerror(code));
    complaint_translate(complaint);
    return error_set(error, EINVAL, "%.60s:%u: %s%s%s", path,
                     yaml_index_line(positions, complaint->path), complaint->path,
                     *complaint->path != '\0' ? ": " : "", complaint->what);
}

/* The configuration that a scenario is loaded and freed with. */
static cyaml_config_t scenario_config(struct complaint *complaint)
{
    return (cyaml_config_t){.log_fn = complaint != NULL ? complaint_listen : NULL,
                            .log_ctx = complaint,
                            .log_level = CYAML_LOG_ERROR,
                            .mem_fn = cyaml_mem};
}

/* Read a whole file; *textp is for free(). */
static int file_read(const char *path, char **textp, size_t *sizep, struct sp_error *error)
{
    FILE *file = fopen(path, "re");
    char *text = malloc(SCENARIO_BYTES + 1);
    int result = 0;

    if (file == NULL)
        result = error_set(error, errno, "%.150s: %s", path, strerror(errno));
    else if (text == NULL)
        result = error_set(error, ENOMEM, "out of memory");
    if (result == 0) {
        *sizep = fread(text, 1, SCENARIO_BYTES + 1, file);
        if (ferror(file))
            result = error_set(error, errno, "%.150s: %s", path, strerror(errno));
        else if (*sizep > SCENARIO_BYTES)
            result = error_set(error, EFBIG, "%.150s: longer than %d bytes", path, SCENARIO_BYTES);
    }
    if (file != NULL)
        fclose(file);
    if (result != 0)
        free(text);
    else
        *textp = text;
    return result;
}

/* All of `text` is a whole number: decimal without leading zeros, or 0x and hexadecimal. */
static bool is_whole_number(const char *text)
{
    static const char digits[] = "0123456789";

    if (strncmp(text, "0x", 2) == 0)
        return text[2] != '\0' && text[2 + strspn(text + 2, "0123456789abcdefABCDEF")] == '\0';
    return *text != '\0' && text[strspn(text, digits)] == '\0' && (*text != '0' || text[1] == '\0');
}

static bool is_number(const char *text)
{
    char *end;

    strtod(text, &end);
    return end != text && *end == '\0';
}

/* libcyaml reads as much of a number as there is, and is content: "2M" would be 2. */
static int numbers_check(const char *path, const struct yaml_index *positions,
                         struct sp_error *error)
{
    static const char *const whole[] = {"physmem.frames", "physmem.reserve", "physmem.seed",
                                        "swap.slots"};
    static const char *const real[] = {"physmem.chaos_unmap", "swap.fail_writes"};

    for (size_t i = 0; i < positions->count; i++) {
        const struct yaml_position *position = &positions->positions[i];
        const char *value = position->value, *field = strchr(position->path, ']');
        const char *wrong = NULL;
        bool is_whole = strncmp(position->path, "events[", 7) == 0 && field != NULL &&
                        strcmp(field, "].recall") == 0;

        for (size_t k = 0; k < sizeof whole / sizeof *whole; k++)
            is_whole |= strcmp(position->path, whole[k]) == 0;
        if (value != NULL && is_whole && !is_whole_number(value))
            wrong = "whole number";
        for (size_t k = 0; k < sizeof real / sizeof *real; k++)
            if (value != NULL && strcmp(position->path, real[k]) == 0 && !is_number(value))
                wrong = "number";
        if (wrong != NULL)
            return error_set(error, EINVAL, "%.60s:%u: %s: expected a %s, not \"%.40s\"", path,
                             position->line, position->path, wrong, value);
    }
    return 0;
}

int scenario_load(const char *path, struct scenario **scenariop, struct yaml_index *positions,
                  struct sp_error *error)
{
    struct complaint complaint = {0};
    cyaml_config_t config = scenario_config(&complaint);
    cyaml_err_t code;
    char *text;
    size_t size;
    int result = file_read(path, &text, &size, error);

    if (result != 0)
        return result;
    *scenariop = NULL;
    result = yaml_index_build(positions, path, text, size, error);
    if (result == 0)
        result = numbers_check(path, positions, error);
    if (result == 0) {
        code = cyaml_load_data((const uint8_t *)text, size, &config, &scenario_schema,
                               (cyaml_data_t **)scenariop, NULL);
        if (code != CYAML_OK || *scenariop == NULL)
            result = scenario_complain(path, &complaint, code, positions, error);
    }
    free(text);
    if (result == 0)
        result = scenario_check(*scenariop, path, positions, error);
    if (result != 0) {
        scenario_free(scenariop);
        yaml_index_fini(positions);
    }
    return result;
}

void scenario_free(struct scenario **scenariop)
{
    cyaml_config_t config = scenario_config(NULL);

    cyaml_free(&config, &scenario_schema, *scenariop, 0);
    *scenariop = NULL;
}

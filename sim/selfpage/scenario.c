/* Reading scenarios: the schema for libcyaml, and its complaints turned into ours. */
#include "scenario.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "scenario_complaint.h"

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

static int scenario_complain(const char *path, struct complaint *complaint, cyaml_err_t code,
                             const struct yaml_index *positions, struct sp_error *error)
{
    complaint_translate(complaint, code);
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

/* All of `text` is a whole number, decimal without leading zeros, or 0x and hexadecimal, up to
 * `most`. */
static bool is_whole_number(const char *text, uint64_t most)
{
    bool hexadecimal = strncmp(text, "0x", 2) == 0;
    const char *first = hexadecimal ? text + 2 : text;

    if (*first == '\0' ||
        first[strspn(first, hexadecimal ? "0123456789abcdefABCDEF" : "0123456789")] != '\0' ||
        (!hexadecimal && *text == '0' && text[1] != '\0'))
        return false;
    errno = 0;
    return strtoull(text, NULL, 0) <= most && errno == 0;
}

static bool is_number(const char *text)
{
    char *end;
    double number = strtod(text, &end);

    return end != text && *end == '\0' && isfinite(number);
}

/* Complain about a value that is no number. */
static int number_complain(const char *path, const struct yaml_position *position, uint64_t most,
                           struct sp_error *error)
{
    char range[60] = "number";

    if (most > 0)
        snprintf(range, sizeof range, "whole number from 0 to %llu", (unsigned long long)most);
    return error_set(error, EINVAL, "%.60s:%u: %s: expected a %s, not \"%.40s\"", path,
                     position->line, position->path, range, position->value);
}

/* libcyaml reads as much of a number as there is, and is content: "2M" would be 2. */
static int numbers_check(const char *path, const struct yaml_index *positions,
                         struct sp_error *error)
{
    static const struct {
        const char *path; /* [] stands for any element */
        uint64_t most;    /* 0: any number */
    } numbers[] = {{"physmem.frames", UINT32_MAX}, {"physmem.reserve", UINT32_MAX},
                   {"physmem.seed", UINT64_MAX},   {"physmem.chaos_unmap", 0},
                   {"swap.slots", UINT32_MAX},     {"swap.fail_writes", 0},
                   {"events[].recall", UINT32_MAX}};

    for (size_t i = 0; i < positions->count; i++) {
        const struct yaml_position *position = &positions->positions[i];
        char name[YAML_PATH_MAX], *open;

        snprintf(name, sizeof name, "%s", position->path);
        open = strchr(name, '[');
        if (open != NULL && strchr(open, ']') != NULL)
            memmove(open + 1, strchr(open, ']'), strlen(strchr(open, ']')) + 1);
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
            uint64_t most = numbers[k].most;

            if (position->value != NULL && strcmp(name, numbers[k].path) == 0 &&
                !(most > 0 ? is_whole_number(position->value, most) : is_number(position->value)))
                return number_complain(path, position, most, error);
        }
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

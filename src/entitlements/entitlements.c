#include "entitlements/entitlements.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/option.h"
#include "core/contracts/bandwidth_text.h"
#include "core/swap/bandwidth.h"
#include "yaml/load.h"

/* One entry of the file; what it does not say is NULL. */
struct file_entry {
    char *user;
    char *name;
    uint32_t *guaranteed;
    uint32_t *extra;
    uint32_t *weight;
    uint32_t *priority;
    uint32_t *slots;
    char *bandwidth;
};

struct file {
    struct file_entry *defaults;
    struct file_entry *users;
    uint32_t users_count;
    struct file_entry *tasks;
    uint32_t tasks_count;
};

#define NUMBER(key) CYAML_FIELD_UINT_PTR(#key, CYAML_FLAG_OPTIONAL, struct file_entry, key)
#define TEXT(key, flags, most)                                                                     \
    CYAML_FIELD_STRING_PTR(#key, CYAML_FLAG_POINTER | (flags), struct file_entry, key, 1, most)

#define NUMBERS                                                                                    \
    NUMBER(guaranteed), NUMBER(extra), NUMBER(weight), NUMBER(priority), NUMBER(slots),            \
        TEXT(bandwidth, CYAML_FLAG_OPTIONAL, 60)

static const cyaml_schema_field_t default_fields[] = {NUMBERS, CYAML_FIELD_END};
static const cyaml_schema_field_t user_fields[] = {TEXT(user, 0, 100), NUMBERS, CYAML_FIELD_END};
static const cyaml_schema_field_t task_fields[] = {
    TEXT(name, 0, SP_NAME_MAX - 1), TEXT(user, CYAML_FLAG_OPTIONAL, 100), NUMBERS, CYAML_FIELD_END};

static const cyaml_schema_value_t user_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct file_entry, user_fields)};
static const cyaml_schema_value_t task_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct file_entry, task_fields)};

static const cyaml_schema_field_t file_fields[] = {
    CYAML_FIELD_MAPPING_PTR("defaults", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct file,
                            defaults, default_fields),
    CYAML_FIELD_SEQUENCE("users", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct file, users,
                         &user_schema, 0, LIMITS_MAX),
    CYAML_FIELD_SEQUENCE("tasks", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct file, tasks,
                         &task_schema, 0, LIMITS_MAX),
    CYAML_FIELD_END};

static const cyaml_schema_value_t file_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct file, file_fields)};

/* The fields of entries at a path; the largest number stands for what is not said. */
#define MOST (LIMIT_NONE - 1)
#define NUMBERS_OF(path)                                                                           \
    {path ".guaranteed", MOST}, {path ".extra", MOST}, {path ".weight", MOST},                     \
        {path ".priority", MOST},                                                                  \
    {                                                                                              \
        path ".slots", MOST                                                                        \
    }

static const struct yaml_number numbers[] = {
    NUMBERS_OF("defaults"), NUMBERS_OF("users[]"), NUMBERS_OF("tasks[]"), {NULL}};

static const struct yaml_syntax syntax = {&file_schema, numbers};

/* What is being read. */
struct entitlements_reading {
    const char *path;
    struct yaml_index positions;
    struct limit *limits;
    uint32_t count;
    struct sp_error *error;
};

#define wrong(reading, where, ...)                                                                 \
    yaml_load_wrong((reading)->path, &(reading)->positions, where, (reading)->error, __VA_ARGS__)

static int user_find(const struct entitlements_reading *reading, const char *where,
                     const char *user, uint32_t *uidp)
{
    const struct passwd *entry;
    uint64_t number;

    if (user[strspn(user, "0123456789")] == '\0') {
        if (option_number("", user, 0, UINT32_MAX - 1, &number, NULL) != 0)
            return wrong(reading, where, "\"%.40s\" is not a user id", user);
        *uidp = (uint32_t)number;
        return 0;
    }
    entry = getpwnam(user);
    if (entry == NULL)
        return wrong(reading, where, "there is no user \"%.40s\"", user);
    *uidp = entry->pw_uid;
    return 0;
}

/* A name that a task can have, and a message can carry. */
static bool name_is_proper(const char *name)
{
    for (; *name != '\0'; name++)
        if (*name < ' ' || *name > '~')
            return false;
    return true;
}

static bool is_same(const struct limit *a, const struct limit *b)
{
    return a->whom == b->whom && a->uid == b->uid && strcmp(a->name, b->name) == 0;
}

/* What an entry says of bandwidth. */
static int bandwidth_take(const struct entitlements_reading *reading, const char *where,
                          const char *text, struct limit *limit)
{
    struct bandwidth_text allowed;

    if (!bandwidth_text_parse(text, &allowed))
        return wrong(reading, where, "\"%.40s\" is none of %s", text, BANDWIDTH_TEXT_FORMS);
    if (allowed.shares > BANDWIDTH_SHARES_MOST)
        return wrong(reading, where, "there are at most %u shares", BANDWIDTH_SHARES_MOST);
    limit->shares = allowed.shares;
    limit->rate = allowed.rate;
    limit->beyond = allowed.extra;
    return 0;
}

/* Take one entry; `where` is its path. */
static int entry_take(struct entitlements_reading *reading, const struct file_entry *entry,
                      const char *where)
{
    struct limit *limit = &reading->limits[reading->count];
    char field[YAML_PATH_MAX];
    int result = 0;

    *limit = (struct limit){
        .guaranteed = entry->guaranteed != NULL ? *entry->guaranteed : LIMIT_NONE,
        .extra = entry->extra != NULL ? *entry->extra : LIMIT_NONE,
        .weight = entry->weight != NULL ? *entry->weight : LIMIT_NONE,
        .priority = entry->priority != NULL ? *entry->priority : LIMIT_NONE,
        .slots = entry->slots != NULL ? *entry->slots : LIMIT_NONE,
    };
    snprintf(field, sizeof field, "%s.user", where);
    if (entry->user != NULL) {
        limit->whom |= LIMIT_USER;
        result = user_find(reading, field, entry->user, &limit->uid);
    }
    snprintf(field, sizeof field, "%s.name", where);
    if (entry->name != NULL && !name_is_proper(entry->name))
        return wrong(reading, field, "a task's name has printable ASCII characters only");
    if (entry->name != NULL) {
        limit->whom |= LIMIT_NAME;
        snprintf(limit->name, sizeof limit->name, "%s", entry->name);
    }
    snprintf(field, sizeof field, "%s.weight", where);
    if (result == 0 && limit->weight == 0)
        return wrong(reading, field, "a weight is at least 1");
    snprintf(field, sizeof field, "%s.bandwidth", where);
    if (result == 0 && entry->bandwidth != NULL)
        result = bandwidth_take(reading, field, entry->bandwidth, limit);
    for (uint32_t i = 0; i < reading->count && result == 0; i++)
        if (is_same(limit, &reading->limits[i]))
            return wrong(reading, where, "an entry above is about the same tasks");
    reading->count++;
    return result;
}

static int list_take(struct entitlements_reading *reading, const struct file_entry *entries,
                     uint32_t count, const char *list)
{
    char where[YAML_PATH_MAX];
    int result = 0;

    for (uint32_t i = 0; i < count && result == 0; i++)
        result =
            entry_take(reading, &entries[i], yaml_load_element(where, sizeof where, list, i, ""));
    return result;
}

static int file_take(struct entitlements_reading *reading, const struct file *file)
{
    uint64_t count = (uint64_t)file->users_count + file->tasks_count + 1;
    int result = 0;

    if (count > LIMITS_MAX)
        return wrong(reading, "tasks", "more than %u entries in all", LIMITS_MAX - 1);
    reading->limits = calloc(count, sizeof(*reading->limits));
    if (reading->limits == NULL)
        return error_set(reading->error, ENOMEM, "out of memory");
    if (file->defaults != NULL)
        result = entry_take(reading, file->defaults, "defaults");
    if (result == 0)
        result = list_take(reading, file->users, file->users_count, "users");
    if (result == 0)
        result = list_take(reading, file->tasks, file->tasks_count, "tasks");
    return result;
}

int entitlements_load(const char *path, struct limit **limitsp, uint32_t *countp,
                      struct sp_error *error)
{
    struct entitlements_reading reading = {.path = path, .error = error};
    void *file;
    int result = yaml_load(path, &syntax, &file, &reading.positions, error);

    if (result != 0)
        return result;
    result = file_take(&reading, file);
    yaml_load_free(&syntax, file);
    yaml_index_fini(&reading.positions);
    if (result != 0) {
        free(reading.limits);
        return result;
    }
    *limitsp = reading.limits;
    *countp = reading.count;
    return 0;
}

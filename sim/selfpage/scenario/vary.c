#include "selfpage/scenario/vary.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/option.h"

/* Combinations at most. */
#define COMBINATIONS_MAX UINT64_C(10000)

static uint32_t values_of(const struct vary *vary, uint32_t index)
{
    uint32_t count = 1;

    for (const char *text = vary->values[index]; !vary->whole && *text != '\0'; text++)
        count += *text == ',';
    return count;
}

/* Whether a key is defined as ${KEY}. */
static bool is_defined(const struct vary *vary, uint32_t index)
{
    return isupper((unsigned char)vary->key[index][0]);
}

int vary_add(struct vary *vary, const char *text, struct sp_error *error)
{
    const char *equals = strchr(text, '=');

    if (equals == NULL || equals == text || equals[1] == '\0')
        return error_set(error, EINVAL, "\"%.60s\" is not KEY=VALUE%s", text,
                         vary->whole ? "" : ",VALUE");
    if (vary->count == VARY_MAX)
        return error_set(error, EINVAL, "there are at most %u values to set", VARY_MAX);
    vary->key[vary->count] = text;
    vary->key_length[vary->count] = (uint32_t)(equals - text);
    vary->values[vary->count++] = equals + 1;
    if (vary_combinations(vary) > COMBINATIONS_MAX)
        return error_set(error, EINVAL, "that makes more than %llu combinations",
                         (unsigned long long)COMBINATIONS_MAX);
    return 0;
}

uint64_t vary_combinations(const struct vary *vary)
{
    uint64_t combinations = 1;

    for (uint32_t i = 0; i < vary->count && combinations <= COMBINATIONS_MAX; i++)
        combinations *= values_of(vary, i);
    return combinations;
}

/* Which value key `index` has in a combination: the first key varies slowest. */
static uint32_t number_of(const struct vary *vary, uint32_t index, uint64_t combination)
{
    for (uint32_t i = vary->count; i > index + 1; i--)
        combination /= values_of(vary, i - 1);
    return (uint32_t)(combination % values_of(vary, index));
}

bool vary_is_single(const struct vary *vary, uint64_t combination)
{
    uint32_t others = 0;

    for (uint32_t i = 0; i < vary->count; i++)
        others += number_of(vary, i, combination) > 0;
    return others <= 1;
}

static void value_of(const struct vary *vary, uint32_t index, uint64_t combination, char *text,
                     size_t size)
{
    const char *value = vary->values[index];
    uint32_t number = number_of(vary, index, combination);

    while (number-- > 0)
        value += strcspn(value, ",") + 1;
    snprintf(text, size, "%.*s", (int)strcspn(value, vary->whole ? "" : ","), value);
}

int vary_define(const struct vary *vary, uint64_t combination, struct strings *definitions)
{
    for (uint32_t i = 0; i < vary->count; i++) {
        char value[256];

        if (!is_defined(vary, i))
            continue;
        value_of(vary, i, combination, value, sizeof value);
        strings_format(definitions, "%.*s=%s", (int)vary->key_length[i], vary->key[i], value);
    }
    return definitions->failed ? -ENOMEM : 0;
}

int vary_arguments(const struct vary *vary, uint64_t combination, const char *option,
                   struct strings *arguments)
{
    for (uint32_t i = 0; i < vary->count; i++) {
        char value[256];

        value_of(vary, i, combination, value, sizeof value);
        strings_format(arguments, "%s=%.*s=%s", option, (int)vary->key_length[i], vary->key[i],
                       value);
    }
    return arguments->failed ? -ENOMEM : 0;
}

static int replace(char **text, const char *value)
{
    free(*text);
    *text = strdup(value);
    return *text != NULL ? 0 : -ENOMEM;
}

static int set_number(const char *key, const char *value, uint32_t *number, struct sp_error *error)
{
    uint64_t read = 0;
    int result = option_number(key, value, 1, UINT32_MAX, &read, error);

    if (result == 0)
        *number = (uint32_t)read;
    return result;
}

/* A field of one task: TASK.policy or TASK.contract. */
static int set_of_task(struct scenario *scenario, const char *key, const char *value,
                       struct sp_error *error)
{
    const char *dot = strchr(key, '.');

    for (uint32_t i = 0; dot != NULL && i < scenario->tasks_count; i++) {
        struct scenario_task *task = &scenario->tasks[i];

        if (strlen(task->name) != (size_t)(dot - key) ||
            strncmp(task->name, key, (size_t)(dot - key)) != 0)
            continue;
        if (strcmp(dot + 1, "policy") == 0)
            return replace(&task->policy, value);
        if (strcmp(dot + 1, "contract") == 0)
            return replace(&task->contract, value);
    }
    return error_set(error, EINVAL,
                     "there is no \"%.60s\" to set: arbiter, policy, frames, slots, TASK.policy, "
                     "TASK.contract, or a NAME in capital letters, for ${NAME}",
                     key);
}

static int set(struct scenario *scenario, const char *key, const char *value,
               struct sp_error *error)
{
    int result = 0;

    if (strcmp(key, "arbiter") == 0 || strcmp(key, "physmem.arbiter") == 0)
        return replace(&scenario->physmem.arbiter, value);
    if (strcmp(key, "frames") == 0 || strcmp(key, "physmem.frames") == 0)
        return set_number(key, value, &scenario->physmem.frames, error);
    if ((strcmp(key, "slots") == 0 || strcmp(key, "swap.slots") == 0) && scenario->swap != NULL)
        return set_number(key, value, &scenario->swap->slots, error);
    if (strcmp(key, "policy") != 0)
        return set_of_task(scenario, key, value, error);
    for (uint32_t i = 0; i < scenario->tasks_count && result == 0; i++)
        result = replace(&scenario->tasks[i].policy, value);
    return result;
}

int vary_apply(const struct vary *vary, uint64_t combination, struct scenario *scenario,
               struct sp_error *error)
{
    int result = 0;

    for (uint32_t i = 0; i < vary->count && result == 0; i++) {
        char key[80], value[256];

        if (is_defined(vary, i))
            continue;
        snprintf(key, sizeof key, "%.*s", (int)vary->key_length[i], vary->key[i]);
        value_of(vary, i, combination, value, sizeof value);
        result = set(scenario, key, value, error);
        if (result == -ENOMEM)
            error_set(error, ENOMEM, "out of memory");
    }
    return result;
}

void vary_describe(const struct vary *vary, uint64_t combination, char *text, size_t size)
{
    size_t length = 0;

    *text = '\0';
    for (uint32_t i = 0; i < vary->count && length < size; i++) {
        char value[256];

        value_of(vary, i, combination, value, sizeof value);
        length += (size_t)snprintf(text + length, size - length, "%s%.*s=%s", i > 0 ? " " : "",
                                   (int)vary->key_length[i], vary->key[i], value);
    }
}

#include "generator/generator.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "generator/kinds.h"

static const struct generator_kind *const kinds[] = {
#define KIND(name) &generator_##name,
    GENERATOR_KINDS(KIND)
#undef KIND
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

const char *generator_kind_name(size_t i, const char **summary,
                                const struct sp_policy_param **params)
{
    if (i >= KINDS)
        return NULL;
    *summary = kinds[i]->summary;
    *params = kinds[i]->params;
    return kinds[i]->name;
}

static const struct generator_kind *find(const char *name, size_t length)
{
    for (size_t i = 0; i < KINDS; i++)
        if (strlen(kinds[i]->name) == length && memcmp(kinds[i]->name, name, length) == 0)
            return kinds[i];
    return NULL;
}

static int unknown(const char *text, size_t length, struct sp_error *error)
{
    struct name_list list = {.length = 0};

    for (size_t i = 0; i < KINDS; i++)
        params_name_add(&list, kinds[i]->name);
    return params_name_missing(&list, "generator", text, length, error);
}

int generator_init(struct generator *generator, const char *text, uint64_t seed,
                   struct sp_error *error)
{
    size_t length = strcspn(text, ":");
    struct random_source seeds = random_seeded(seed);
    int result;

    memset(generator, 0, sizeof(*generator));
    generator->kind = find(text, length);
    if (generator->kind == NULL)
        return unknown(text, length, error);
    result = params_parse("generator", generator->kind->name, generator->kind->params,
                          text[length] == ':' ? text + length + 1 : NULL, generator->values, error);
    if (result != 0)
        return result;
    generator->pages = random_seeded(random_bits(&seeds));
    generator->writes = random_seeded(random_bits(&seeds));
    if (generator->kind->begin != NULL)
        generator->kind->begin(generator);
    return 0;
}

struct generated_reference generator_next(struct generator *generator)
{
    double writes = generator->values[GENERATOR_WRITES];
    struct generated_reference reference = {.page = generator->kind->page(generator)};

    ensure(generator->made < UINT64_MAX);
    generator->made++;
    if (writes > 0)
        reference.write = random_unit(&generator->writes) < writes;
    return reference;
}

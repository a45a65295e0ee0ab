/* The assertions of `selfpage replay`: expressions whose objects are POLICY or POLICY@SIZE. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "expression/expression.h"
#include "selfpage/replay/report.h"

struct judging {
    const struct replay_options *options;
    const struct replay_results *results;
    size_t size;   /* of names that have none of their own */
    bool any_size; /* there was such a name */
};

/* The result that the `length` bytes at `name` stand for, or NULL. */
static const struct replay_result *find(struct judging *judging, const char *name, size_t length)
{
    const struct replay_options *options = judging->options;

    for (size_t p = 0; p < options->policy_count; p++) {
        const char *label = options->policies[p].label;
        size_t label_length = strlen(label);

        if (label_length > length || strncmp(label, name, label_length) != 0)
            continue;
        if (label_length == length) {
            judging->any_size = true;
            return &judging->results->results[judging->size * options->policy_count + p];
        }
        for (size_t s = 0; s < options->size_count && name[label_length] == '@'; s++)
            if (strlen(options->sizes[s].text) == length - label_length - 1 &&
                strncmp(options->sizes[s].text, name + label_length + 1,
                        length - label_length - 1) == 0)
                return &judging->results->results[s * options->policy_count + p];
    }
    return NULL;
}

/* The longest name of a result that stands at the beginning of `text`, before a dot. */
static size_t measure(void *context, const char *text)
{
    size_t longest = 0;

    for (const char *dot = strchr(text, '.'); dot != NULL; dot = strchr(dot + 1, '.'))
        if (find(context, text, (size_t)(dot - text)) != NULL)
            longest = (size_t)(dot - text);
    return longest;
}

static int look_up(void *context, bool all, const char *object, const char *field, double *value)
{
    const struct replay_result *r = all ? NULL : find(context, object, strlen(object));

    if (r == NULL)
        return -ENOENT;
#define FIELD(name, number)                                                                        \
    if (strcmp(field, #name) == 0) {                                                               \
        *value = (double)(number);                                                                 \
        return 0;                                                                                  \
    }
    REPLAY_FIELDS(FIELD)
#undef FIELD
    return -EINVAL;
}

/* Judge one assertion at one size, or at all of them if it names none itself. */
static int judge(FILE *out, struct judging *judging, const char *text, struct sp_error *error)
{
    const struct expression_names names = {.look_up = look_up, .measure = measure, .arg = judging};
    int failed = 0;

    judging->any_size = true;
    for (judging->size = 0; judging->any_size && judging->size < judging->options->size_count;
         judging->size++) {
        struct expression_sides sides;
        int result;

        judging->any_size = false;
        result = expression_evaluate(text, &names, false, &sides, error);
        if (result < 0)
            return result;
        if (result > 0)
            continue;
        fprintf(out, "selfpage: FAILED: %s", text);
        if (judging->any_size)
            fprintf(out, " at %s frames", judging->options->sizes[judging->size].text);
        fprintf(out, ": %.9g against %.9g\n", sides.left, sides.right);
        failed = 1;
    }
    return failed;
}

int replay_assert_judge(FILE *out, const struct replay_options *options,
                        const struct replay_results *results, struct sp_error *error)
{
    struct judging judging = {.options = options, .results = results};
    int failed = 0;

    for (size_t i = 0; i < options->assertions.count; i++) {
        int result = judge(out, &judging, options->assertions.items[i], error);

        if (result < 0)
            return error_set(error, EINVAL, "--assert %s", strdupa(error->text));
        failed += result;
    }
    return failed;
}

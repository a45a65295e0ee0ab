#include "laboratory/choices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "replay/engine.h"

static int choose(struct choices *choices, size_t i, const struct sp_replay_options *options,
                  struct sp_error *error)
{
    const struct sp_policy *own = options->policy_ops != NULL ? options->policy_ops[i] : NULL;
    const char *text = options->policies != NULL ? options->policies[i] : NULL;
    int result;

    if (own != NULL)
        result = policy_params_adopt(&choices->handles[i].choice, own, text, error);
    else if (text != NULL)
        result = load_policy(&choices->handles[i], text, error);
    else
        return error_set(error, EINVAL, "policy %zu has neither a name nor functions", i);
    if (result != 0)
        return result;
    choices->flags |= choices->handles[i].choice.policy->flags;
    choices->needs_future |=
        (choices->handles[i].choice.policy->flags & SP_POLICY_NEEDS_FUTURE) != 0 &&
        !engine_is_optimum(choices->handles[i].choice.policy);
    choices->labels[i] = strdup(own != NULL ? own->name : text);
    return choices->labels[i] != NULL ? 0 : error_set(error, ENOMEM, "no memory for the policies");
}

int choices_init(struct choices *choices, const struct sp_replay_options *options,
                 struct sp_error *error)
{
    size_t count = options->policy_count;
    int result = 0;

    *choices = (struct choices){.count = 0};
    if (count == 0)
        return error_set(error, EINVAL, "there is no policy to run");
    choices->handles = calloc(count, sizeof(*choices->handles));
    choices->labels = calloc(count, sizeof(*choices->labels));
    if (choices->handles == NULL || choices->labels == NULL)
        return error_set(error, ENOMEM, "no memory for %zu policies", count);
    for (; choices->count < count && result == 0; choices->count++)
        result = choose(choices, choices->count, options, error);
    return result;
}

void choices_fini(struct choices *choices)
{
    for (size_t i = 0; i < choices->count; i++) {
        load_policy_end(&choices->handles[i]);
        if (choices->labels != NULL) /* a run may have taken them */
            free(choices->labels[i]);
    }
    free(choices->handles);
    free(choices->labels);
    *choices = (struct choices){.count = 0};
}

/* Any text as the choice of an eviction policy, with parameters. */
#include "policy/params.h"
#include "text_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct policy_choice choice;
    struct sp_error error = {0};
    char *text = text_of(data, size);
    const struct sp_policy_param *param;
    int result = policy_params_choose(&choice, text, &error);

    if (result != 0 && error.text[0] == '\0')
        abort();
    if (result == 0 && choice.policy->params != NULL)
        for (param = choice.policy->params; param->name != NULL; param++) {
            double value = choice.params[param - choice.policy->params];

            if (!(value >= param->least && value <= param->most))
                abort();
        }
    free(text);
    return 0;
}

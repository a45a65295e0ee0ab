/* Any text as a task's contracts. */
#include <errno.h>

#include "core/contracts/terms_text.h"
#include "text_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct wanted_contract *wanted)
{
    const struct sp_terms *terms = &wanted->terms;

    if (wanted->token != 0
            ? terms->frames != 0
            : terms->kind >= SP_CONTRACT_KINDS || terms->on_breach >= SP_BREACH_ACTIONS ||
                  terms->grace_unit >= SP_GRACE_UNITS || terms->order >= 32)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wanted_contract wanted[TERMS_MAX];
    struct sp_error error = {0};
    char *text = text_of(data, size);
    int count = terms_text_parse(text, wanted, &error);
    uint64_t ns;

    if (count < 0 ? count != -EINVAL || error.text[0] == '\0' : count < 1 || count > (int)TERMS_MAX)
        abort();
    for (int i = 0; i < count; i++)
        check(&wanted[i]);
    terms_text_time(text, size, &ns);
    free(text);
    return 0;
}

#include "live_pager.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct rehearsal_counts live_pager_run(const char *choice, const struct trace *trace,
                                       uint32_t frames)
{
    struct policy_choice chosen;
    struct rehearsal_counts counts = {.faults = 0};
    struct sp_error error;

    if (policy_params_choose(&chosen, choice, &error) != 0 ||
        rehearsal_run(&chosen, trace->references, trace->length, trace->pages, frames,
                      REHEARSAL_SIGNALS, &counts, &error) != 0)
        fail_msg("%s", error.text);
    return counts;
}

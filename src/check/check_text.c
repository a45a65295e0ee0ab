/* Breaches in words. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "check/check_internal.h"
#include "policy/registry.h"

void check_text_breach(struct check_log *log, const char *format, ...)
{
    va_list arguments;

    if (log->breach[0] != '\0')
        return;
    va_start(arguments, format);
    vsnprintf(log->breach, sizeof(log->breach), format, arguments);
    va_end(arguments);
}

static const char *removal_text(unsigned removal)
{
    static const char *const names[] = {"SP_EVICTED", "SP_DISCARDED", "SP_PINNED", "SP_SKIPPED"};

    return names[removal & 3];
}

static const char *hint_text(unsigned hint)
{
    static const char *const names[] = {"SP_HINT_WILL_NEED", "SP_HINT_DONT_NEED",
                                        "SP_HINT_READ_ONCE", "SP_HINT_SCRATCH"};

    return names[hint & 3];
}

static void victim_text(const struct check_call *call, char *text, size_t size)
{
    char incoming[16] = "SP_NO_PAGE";
    int length;

    if (call->page != SP_NO_PAGE)
        snprintf(incoming, sizeof(incoming), "%u", call->page);
    length = snprintf(text, size, "victim(%s)", incoming);
    if (call->answer != SP_NO_PAGE && length > 0 && (size_t)length < size)
        snprintf(text + length, size - (size_t)length, " = %u", call->answer);
}

const char *check_text_call(const struct check_call *call, char *text, size_t size)
{
    const char *access = call->detail == SP_WRITE ? "SP_WRITE" : "SP_READ";

    switch ((enum check_kind)call->kind) {
    case CHECK_SIZE:
        snprintf(text, size, "size()");
        break;
    case CHECK_INIT:
        snprintf(text, size, "init()");
        break;
    case CHECK_INSERT:
        snprintf(text, size, "insert(%u, %s)", call->page, access);
        break;
    case CHECK_HIT:
        snprintf(text, size, "hit(%u, %s)", call->page, access);
        break;
    case CHECK_VICTIM:
        victim_text(call, text, size);
        break;
    case CHECK_REMOVE:
        snprintf(text, size, "remove(%u, %s)", call->page, removal_text(call->detail));
        break;
    case CHECK_RESIZE:
        snprintf(text, size, "resize(%u)", call->page);
        break;
    case CHECK_HINT:
        snprintf(text, size, "hint(%u, %s)", call->page, hint_text(call->detail));
        break;
    default:
        snprintf(text, size, "nothing");
    }
    return text;
}

bool check_text_declaration(const struct policy_choice *choice, struct check_log *log)
{
    const struct sp_policy *policy = choice->policy, *form;

    if ((policy->flags &
         ~(SP_POLICY_LIVE | SP_POLICY_NEEDS_FUTURE | SP_POLICY_WANTS_IDS | SP_POLICY_TAKES_FUTURE |
           SP_POLICY_FORGETS | SP_POLICY_SAMPLES | SP_POLICY_TELLS)) != 0)
        check_text_breach(log, "its flags, %#x, have bits that this interface does not know",
                          policy->flags);
    if ((policy->flags & SP_POLICY_LIVE) != 0 && (policy->flags & SP_POLICY_NEEDS_FUTURE) != 0)
        check_text_breach(
            log, "it says both that it can run live and that it needs the future, which no "
                 "live task knows");
    if ((policy->flags & SP_POLICY_SAMPLES) != 0 && policy->hit != NULL)
        check_text_breach(
            log, "it says that it samples, so that a live task need not tell it of hits, and has a "
                 "function for them");
    if (policy->live_form == NULL)
        return log->breach[0] == '\0';
    form = policy_registry_find(policy->live_form, strlen(policy->live_form));
    if (form == NULL || (form->flags & SP_POLICY_LIVE) == 0)
        check_text_breach(
            log,
            "its live_form, '%.60s', is not a policy that comes with Selfpage and runs "
            "live",
            policy->live_form);
    return log->breach[0] == '\0';
}

/* The surroundings of a policy that is being checked: exact answers, and a watch on the questions.
 */
#include "check/check_internal.h"

/* Questions to the environment that a policy has for each call and each page, beside a few: more of
 * them in total cannot be constant time, not even amortised. */
#define QUESTIONS_A_CALL 16u
#define QUESTIONS_A_PAGE 8u
#define QUESTIONS_BESIDE 256u

static struct check *check_of(struct sp_policy_env *env)
{
    return (struct check *)env;
}

static const char *standing_text(const struct check_page *page)
{
    return page->left_plus1 == 0 ? "never came in" : "is no longer resident";
}

/* The page asked about, or NULL if it must not be asked about. */
static struct check_page *asked(struct check *check, const char *what, sp_page page)
{
    struct check_log *log = check->setup.log;

    if (!log->inside)
        check_text_breach(log, "env->%s is called from outside a call of the policy", what);
    else if (check->call.kind == CHECK_INIT)
        check_text_breach(log, "init asks env->%s, when no page is resident yet", what);
    else if (page >= check->setup.pages)
        check_text_breach(log,
                          "it asks env->%s about page %u, which does not exist: pages are numbered "
                          "below %u",
                          what, page, check->setup.pages);
    else if (check->page[page].standing == CHECK_ABSENT)
        check_text_breach(log, "it asks env->%s about page %u, which %s", what, page,
                          standing_text(&check->page[page]));
    else
        return &check->page[page];
    return NULL;
}

static void count(struct check *check)
{
    uint64_t most = QUESTIONS_BESIDE + (uint64_t)QUESTIONS_A_PAGE * check->setup.pages +
                    QUESTIONS_A_CALL * check->setup.log->calls;

    if (++check->questions > most)
        check_text_breach(
            check->setup.log,
            "it asks its environment ever more often: %llu times in %llu calls with %u "
            "pages, where a call has to take amortised constant time",
            (unsigned long long)check->questions, (unsigned long long)check->setup.log->calls,
            check->setup.pages);
}

static bool env_referenced(struct sp_policy_env *env, sp_page page)
{
    struct check_page *p = asked(check_of(env), "referenced", page);
    bool referenced;

    count(check_of(env));
    if (p == NULL)
        return false;
    referenced = p->referenced;
    p->referenced = false;
    p->watched = true;
    return referenced;
}

static void env_watch(struct sp_policy_env *env, sp_page page)
{
    struct check_page *p = asked(check_of(env), "watch", page);

    count(check_of(env));
    if (p != NULL)
        p->watched = true;
}

static bool env_dirty(struct sp_policy_env *env, sp_page page)
{
    const struct check_page *p = asked(check_of(env), "dirty", page);

    count(check_of(env));
    return p != NULL && p->dirty;
}

static uint32_t env_random(struct sp_policy_env *env, uint32_t bound)
{
    struct check *check = check_of(env);

    if (bound == 0) {
        check_text_breach(check->setup.log, "it asks env->random for a number below 0");
        return 0;
    }
    return random_below(&check->policy_random, bound);
}

/* Time counts references from 1: index i has time i + 1. The page just referenced, or about to come
 * in, may be asked about. */
static uint64_t env_next_reference(struct sp_policy_env *env, sp_page page)
{
    struct check *check = check_of(env);
    uint32_t upcoming;

    if (page >= check->setup.pages) {
        check_text_breach(
            check->setup.log,
            "it asks env->next_reference about page %u, which does not exist: pages are "
            "numbered below %u",
            page, check->setup.pages);
        return UINT64_MAX;
    }
    upcoming = check->page[page].upcoming;
    return upcoming < check->setup.steps ? (uint64_t)upcoming + 1 : UINT64_MAX;
}

void check_env_init(struct check *check)
{
    check->env = (struct sp_policy_env){
        .referenced = env_referenced, .watch = env_watch, .dirty = env_dirty, .random = env_random};
    if ((check->setup.choice->policy->flags & SP_POLICY_NEEDS_FUTURE) != 0)
        check->env.next_reference = env_next_reference;
    check->env_expected = check->env;
}

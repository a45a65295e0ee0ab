#include "check/check_internal.h"

#include <string.h>

/* Odds, in percent, that something beside the reference happens in a step. */
enum {
    ODDS_OTHER = 30,
    ODDS_SKIP = 15,       /* that a victim cannot go at this moment */
    ODDS_NO_INCOMING = 20 /* that it is asked for ahead of need */
};

#define SKIPPED_MOST 3u

/* ---- Calling the policy ---- */

static void perform(void *argument)
{
    struct check *check = argument;
    const struct sp_policy *policy = check->setup.choice->policy;
    struct check_call *call = &check->call;

    switch ((enum check_kind)call->kind) {
    case CHECK_INIT:
        policy->init(check->self, &check->config);
        break;
    case CHECK_INSERT:
        policy->insert(check->self, call->page, (enum sp_access)call->detail);
        break;
    case CHECK_HIT:
        policy->hit(check->self, call->page, (enum sp_access)call->detail);
        break;
    case CHECK_VICTIM:
        call->answer = policy->victim(check->self, call->page);
        break;
    case CHECK_REMOVE:
        policy->remove(check->self, call->page, (enum sp_removal)call->detail);
        break;
    case CHECK_RESIZE:
        policy->resize(check->self, call->page);
        break;
    case CHECK_HINT:
        policy->hint(check->self, call->page, (enum sp_hint)call->detail);
        break;
    default:
        break;
    }
}

static bool has_function(const struct sp_policy *policy, enum check_kind kind)
{
    return !(kind == CHECK_INIT && policy->init == NULL) &&
           !(kind == CHECK_HIT && policy->hit == NULL) &&
           !(kind == CHECK_RESIZE && policy->resize == NULL) &&
           !(kind == CHECK_HINT && policy->hint == NULL);
}

static void check_after_call(struct check *check)
{
    struct check_log *log = check->setup.log;

    if (check->env.time != check->env_expected.time)
        check_text_breach(log, "it changes env->time, which only the engine writes");
    else if (memcmp(&check->env, &check->env_expected, sizeof(check->env)) != 0)
        check_text_breach(log, "it changes functions of its environment");
    if (check->config.params != check->params || check->config.pages != check->setup.pages ||
        check->config.env != &check->env)
        check_text_breach(log, "it changes its configuration");
}

bool check_call_policy(struct check *check, enum check_kind kind, sp_page page, unsigned detail)
{
    struct check_log *log = check->setup.log;

    if (!has_function(check->setup.choice->policy, kind))
        return true;
    check->call = (struct check_call){
        .kind = (uint8_t)kind, .detail = (uint8_t)detail, .page = page, .answer = SP_NO_PAGE};
    log->recent[log->calls++ % CHECK_RECENT] = check->call;
    log->inside = true;
    if (check->setup.invoke != NULL)
        check->setup.invoke(check->setup.context, perform, check);
    else
        perform(check);
    log->inside = false;
    log->recent[(log->calls - 1) % CHECK_RECENT].answer = check->call.answer;
    check_after_call(check);
    return log->breach[0] == '\0';
}

/* ---- The model ---- */

static bool chance(struct check *check, uint32_t percent)
{
    return random_below(&check->random, 100) < percent;
}

/* Some page of this standing, or SP_NO_PAGE. */
static sp_page pick(struct check *check, enum check_standing standing)
{
    sp_page page = random_below(&check->random, check->setup.pages);

    for (uint32_t i = 0; i < check->setup.pages; i++) {
        if (check->page[page].standing == standing)
            return page;
        page = page + 1 < check->setup.pages ? page + 1 : 0;
    }
    return SP_NO_PAGE;
}

static bool insert(struct check *check, sp_page page, enum sp_access access)
{
    struct check_page *p = &check->page[page];

    if (p->standing == CHECK_ABSENT) {
        check->used++;
        p->dirty = false;
    }
    check->skipped -= p->standing == CHECK_SKIPPED;
    check->with_policy++;
    p->standing = CHECK_RESIDENT;
    p->referenced = p->watched = false;
    p->dirty |= access == SP_WRITE;
    return check_call_policy(check, CHECK_INSERT, page, access);
}

/* The page stays resident while the policy is told, as in an engine. */
static bool take(struct check *check, sp_page page, enum sp_removal why)
{
    struct check_page *p = &check->page[page];
    bool kept = check_call_policy(check, CHECK_REMOVE, page, why);

    check->with_policy--;
    p->left_plus1 = (uint8_t)(why + 1);
    if (why == SP_PINNED) {
        p->standing = CHECK_PINNED;
    } else if (why == SP_SKIPPED) {
        p->standing = CHECK_SKIPPED;
        check->skipped++;
    } else {
        p->standing = CHECK_ABSENT;
        check->used--;
    }
    return kept;
}

static const char *why_not(const struct check_page *page)
{
    if (page->standing == CHECK_PINNED)
        return "is pinned: it was removed by SP_PINNED and not inserted again";
    if (page->standing == CHECK_SKIPPED)
        return "was removed by SP_SKIPPED and not inserted again";
    if (page->left_plus1 == 0)
        return "was never inserted";
    return page->left_plus1 == SP_EVICTED + 1 ? "was evicted and not inserted again"
                                              : "was discarded and not inserted again";
}

/* Ask for a victim, while a page is with the policy. SP_NO_PAGE: a rule was broken. */
static sp_page victim(struct check *check, sp_page incoming)
{
    struct check_log *log = check->setup.log;
    sp_page page;

    if (!check_call_policy(check, CHECK_VICTIM, incoming, 0))
        return SP_NO_PAGE;
    page = check->call.answer;
    if (check->setup.victims != NULL && check->victims < check->setup.victims_most)
        check->setup.victims[check->victims] = page;
    check->victims++;
    if (page == SP_NO_PAGE)
        check_text_breach(log, "victim names no page (SP_NO_PAGE), though it has %u to choose from",
                          check->with_policy);
    else if (page >= check->setup.pages)
        check_text_breach(log,
                          "victim names page %u, which does not exist: pages are numbered below %u",
                          page, check->setup.pages);
    else if (page == incoming)
        check_text_breach(log, "victim names page %u, the incoming page itself", page);
    else if (check->page[page].standing != CHECK_RESIDENT)
        check_text_breach(log, "victim names page %u, which %s", page, why_not(&check->page[page]));
    return log->breach[0] == '\0' ? page : SP_NO_PAGE;
}

/* ---- What an engine may do ---- */

static bool put_back_skipped(struct check *check)
{
    while (check->skipped > 0)
        if (!insert(check, pick(check, CHECK_SKIPPED), SP_READ))
            return false;
    return true;
}

/* Free one frame; there are pages with the policy, or pinned ones. */
static bool evict(struct check *check, sp_page incoming)
{
    sp_page page;

    if (check->with_policy == 0 &&
        !insert(check, pick(check, check->skipped > 0 ? CHECK_SKIPPED : CHECK_PINNED), SP_READ))
        return false;
    for (;;) {
        page = victim(check, incoming);
        if (page == SP_NO_PAGE)
            return false;
        if (check->with_policy == 1 || check->skipped >= SKIPPED_MOST || !chance(check, ODDS_SKIP))
            break;
        if (!take(check, page, SP_SKIPPED))
            return false;
    }
    /* Skipped pages come back once a choice is made: before or after the chosen one has left. */
    return take(check, page, SP_EVICTED) && (chance(check, 50) || put_back_skipped(check));
}

static bool resize(struct check *check)
{
    uint32_t frames = 1 + random_below(&check->random, check->setup.pages + 2);

    if (!put_back_skipped(check))
        return false;
    while (check->used > frames)
        if (!evict(check, SP_NO_PAGE))
            return false;
    check->frames = frames;
    return check_call_policy(check, CHECK_RESIZE, frames, 0);
}

/* One thing beside references. */
static bool other(struct check *check)
{
    uint32_t what = random_below(&check->random, 100);
    sp_page page = pick(check, what < 25 ? CHECK_PINNED : CHECK_RESIDENT);

    if (what >= 95)
        return resize(check);
    if (page == SP_NO_PAGE)
        return true;
    if (what < 25)
        return insert(check, page, SP_READ); /* pinned no longer */
    if (what < 40)
        return take(check, page, SP_PINNED);
    if (what < 55)
        return take(check, page, SP_DISCARDED);
    if (what < 75)
        return evict(check, SP_NO_PAGE);
    return check_call_policy(check, CHECK_HINT, page, random_below(&check->random, 4));
}

static bool touch(struct check *check, sp_page page, enum sp_access access)
{
    struct check_page *p = &check->page[page];
    bool seen = !check->setup.live || p->watched;

    p->referenced = true;
    p->dirty |= access == SP_WRITE;
    if (!seen || p->standing != CHECK_RESIDENT)
        return true;
    p->watched = false;
    return check_call_policy(check, CHECK_HIT, page, access);
}

static bool refer(struct check *check)
{
    sp_page page = check->reference[check->at] >> 1;
    enum sp_access access = check->reference[check->at] & 1 ? SP_WRITE : SP_READ;

    check->env.time = ++check->env_expected.time;
    check->page[page].upcoming = check->next[check->at++];
    if (check->page[page].standing != CHECK_ABSENT)
        return touch(check, page, access);
    while (check->used >= check->frames)
        if (!evict(check, chance(check, ODDS_NO_INCOMING) ? SP_NO_PAGE : page))
            return false;
    return insert(check, page, access) && put_back_skipped(check);
}

/* All pages leave; each is named once. */
static bool drain(struct check *check)
{
    sp_page page = SP_NO_PAGE;

    while (check->skipped > 0 || (page = pick(check, CHECK_PINNED)) != SP_NO_PAGE)
        if (!insert(check, check->skipped > 0 ? pick(check, CHECK_SKIPPED) : page, SP_READ))
            return false;
    while (check->with_policy > 0) {
        page = victim(check, SP_NO_PAGE);
        if (page == SP_NO_PAGE || !take(check, page, SP_EVICTED))
            return false;
    }
    return true;
}

bool check_step(struct check *check)
{
    struct check_log *log = check->setup.log;

    if (check->ended || log->breach[0] != '\0')
        return false;
    log->step = check->at + 1;
    /* Twice: halfway, so that it has to go on from nothing, and at the end. */
    if ((check->at == check->setup.steps / 2 || check->at == check->setup.steps) && !drain(check))
        return false;
    if (check->at == check->setup.steps) {
        check->ended = true;
        return false;
    }
    while (chance(check, ODDS_OTHER))
        if (!other(check))
            return false;
    return refer(check);
}

/* ---- Beginning ---- */

struct check_setup check_setup_by_seed(const struct policy_choice *choice, uint64_t seed,
                                       uint32_t steps)
{
    static const uint32_t sizes[] = {1, 2, 3, 5, 8, 16, 64, 300};
    struct random_source random = random_seeded(seed);
    struct check_setup setup = {.choice = choice, .seed = seed, .steps = steps};

    setup.pages = sizes[random_below(&random, sizeof(sizes) / sizeof(sizes[0]))];
    setup.frames = 1 + random_below(&random, setup.pages + 2);
    setup.live = (choice->policy->flags & SP_POLICY_LIVE) != 0 && random_below(&random, 2) == 1;
    return setup;
}

static size_t aligned(size_t size)
{
    return (size + 63) & ~(size_t)63;
}

size_t check_tables_size(const struct check_setup *setup)
{
    return aligned(setup->pages * sizeof(struct check_page)) +
           2 * aligned(setup->steps * sizeof(uint32_t));
}

/* References of one of four kinds: anywhere, a loop, mostly a few pages, and a walk. */
static void plan(struct check *check)
{
    uint32_t kind = random_below(&check->random, 4), pages = check->setup.pages;
    uint32_t hot = 1 + pages / 8, walker = 0;
    const uint32_t steps = check->setup.steps;

    for (uint32_t i = 0; i < steps; i++) {
        uint32_t any = random_below(&check->random, pages), dice = random_below(&check->random, 10);

        if (kind == 1)
            any = i % pages;
        else if (kind == 2 && dice < 8)
            any %= hot;
        else if (kind == 3)
            any = walker = (walker + dice) % pages;
        check->reference[i] = any << 1 | (random_below(&check->random, 3) == 0);
    }
    for (uint32_t page = 0; page < pages; page++)
        check->page[page].upcoming = steps;
    for (uint32_t i = steps; i-- > 0;) {
        struct check_page *p = &check->page[check->reference[i] >> 1];

        check->next[i] = p->upcoming;
        p->upcoming = i;
    }
}

static void configure(struct check *check, const struct check_setup *setup)
{
    *check = (struct check){.setup = *setup, .frames = setup->frames};
    memcpy(check->params, setup->choice->params, sizeof(check->params));
    check->config = (struct sp_policy_config){
        .pages = setup->pages, .frames = setup->frames, .params = check->params};
}

size_t check_state_size(struct check *check, const struct check_setup *setup)
{
    struct check_log *log = setup->log;
    size_t size;

    configure(check, setup);
    log->recent[log->calls++ % CHECK_RECENT] = (struct check_call){.kind = CHECK_SIZE};
    log->inside = true;
    size = setup->choice->policy->size(&check->config);
    if (setup->choice->policy->size(&check->config) != size)
        check_text_breach(log, "size gives different answers to the same question");
    log->inside = false;
    return size;
}

void check_begin(struct check *check, const struct check_setup *setup, void *tables, void *self)
{
    unsigned char *at = tables;

    configure(check, setup);
    check->page = (struct check_page *)(void *)at;
    at += aligned(setup->pages * sizeof(struct check_page));
    check->reference = (uint32_t *)(void *)at;
    at += aligned(setup->steps * sizeof(uint32_t));
    check->next = (uint32_t *)(void *)at;
    check->self = self;
    check->random = random_seeded(setup->seed + 1);
    check->policy_random = random_seeded(setup->seed + 2);
    check_env_init(check);
    check->config.env = &check->env;
    plan(check);
    check_call_policy(check, CHECK_INIT, SP_NO_PAGE, 0);
}

#include "replay/decisions.h"

#include <errno.h>

#include "base/error.h"
#include "record/recorder.h"
#include "trace/format_native.h"
#include "trace/reserve.h"

#define KIND_MASK ((1u << RECORDER_KIND_BITS) - 1)

struct event {
    unsigned kind; /* enum recorder_kind */
    uint32_t number;
    bool bit;
};

struct decisions {
    struct sp_policy_env env; /* first, so that the policy's calls find the rest */
    struct trace *trace;
    const struct sp_policy *policy;
    struct decisions_counts *counts;
    struct sp_error *error;
    void *self;
    uint8_t *resident; /* by page: it is with the policy */
    uint32_t pages;
    uint32_t with_policy;
    int result;  /* once it is not 0 nothing goes on: 1 or a negative errno */
    bool ended;  /* the trace */
    bool marked; /* its mark of the end was read */
    struct trace_reference batch[TRACE_BATCH];
    size_t at, count;
};

static const char *const kind_names[RECORDER_KINDS] = {
    [RECORDER_INSERT] = "insert",
    [RECORDER_BACK] = "insert",
    [RECORDER_HIT] = "hit",
    [RECORDER_REMOVE] = "remove",
    [RECORDER_REMOVE + 1] = "remove",
    [RECORDER_REMOVE + 2] = "remove",
    [RECORDER_REMOVE + 3] = "remove",
    [RECORDER_VICTIM] = "victim",
    [RECORDER_ANSWER] = "the answer of victim",
    [RECORDER_RESIZE] = "resize",
    [RECORDER_HINT] = "hint",
    [RECORDER_HINT + 1] = "hint",
    [RECORDER_HINT + 2] = "hint",
    [RECORDER_HINT + 3] = "hint",
    [RECORDER_REFERENCED] = "env->referenced",
    [RECORDER_DIRTY] = "env->dirty",
    [RECORDER_RANDOM] = "env->random",
    [RECORDER_TIME] = "time",
    [RECORDER_END] = "the end",
};

/* The next event; false at the end, or when nothing goes on. */
static bool take(struct decisions *d, struct event *event)
{
    const struct trace_reference *r;

    if (d->result != 0 || d->ended)
        return false;
    if (d->at == d->count) {
        ssize_t got = trace_read(d->trace, d->batch, TRACE_BATCH, d->error);

        d->at = 0;
        d->count = got > 0 ? (size_t)got : 0;
        d->result = got < 0 ? (int)got : 0;
        d->ended = got <= 0;
        if (got <= 0)
            return false;
    }
    r = &d->batch[d->at++];
    d->counts->events++;
    *event = (struct event){.kind = (unsigned)(r->id & KIND_MASK),
                            .number = (uint32_t)(r->id >> RECORDER_KIND_BITS),
                            .bit = r->write};
    return true;
}

static void differ(struct decisions *d, const char *now, uint32_t number, const struct event *event)
{
    d->result = 1;
    error_set(d->error, EINVAL,
              "%s: event %llu: the policy's next step is %s of %u now, and was %s of %u",
              d->trace->source.name, (unsigned long long)d->counts->events, now, number,
              event->kind < RECORDER_KINDS ? kind_names[event->kind] : "unknown", event->number);
}

static void damaged(struct decisions *d, const struct event *event)
{
    d->result = error_set(d->error, EILSEQ, "%s: event %llu: %s of %u is not possible here",
                          d->trace->source.name, (unsigned long long)d->counts->events,
                          event->kind < RECORDER_KINDS ? kind_names[event->kind] : "unknown",
                          event->number);
}

/* ---- What the policy asks: the recorded answers ---- */

static struct decisions *decisions_of(struct sp_policy_env *env)
{
    return (struct decisions *)env;
}

static bool answer(struct decisions *d, unsigned kind, sp_page page)
{
    struct event event;

    if (!take(d, &event))
        return false;
    if (event.kind == kind && event.number == page)
        return event.bit;
    differ(d, kind_names[kind], page, &event);
    return false;
}

static bool env_referenced(struct sp_policy_env *env, sp_page page)
{
    return answer(decisions_of(env), RECORDER_REFERENCED, page);
}

static void env_watch(struct sp_policy_env *env, sp_page page)
{
    (void)env;
    (void)page;
}

static bool env_dirty(struct sp_policy_env *env, sp_page page)
{
    return answer(decisions_of(env), RECORDER_DIRTY, page);
}

static uint32_t env_random(struct sp_policy_env *env, uint32_t bound)
{
    struct decisions *d = decisions_of(env);
    struct event event;

    if (!take(d, &event))
        return 0;
    if (event.kind == RECORDER_RANDOM && event.number < bound)
        return event.number;
    differ(d, kind_names[RECORDER_RANDOM], bound, &event);
    return 0;
}

/* ---- What happened ---- */

static void bring_in(struct decisions *d, const struct event *event)
{
    if (event->number >= d->pages || d->resident[event->number]) {
        damaged(d, event);
        return;
    }
    d->counts->faults += event->kind == RECORDER_INSERT;
    d->resident[event->number] = 1;
    d->with_policy++;
    d->policy->insert(d->self, event->number, event->bit ? SP_WRITE : SP_READ);
}

static void about_resident(struct decisions *d, const struct event *event)
{
    if (event->number >= d->pages || !d->resident[event->number]) {
        damaged(d, event);
    } else if (event->kind == RECORDER_HIT) {
        d->counts->soft_faults++;
        if (d->policy->hit != NULL)
            d->policy->hit(d->self, event->number, event->bit ? SP_WRITE : SP_READ);
    } else if (event->kind >= RECORDER_HINT) {
        if (d->policy->hint != NULL)
            d->policy->hint(d->self, event->number, (enum sp_hint)(event->kind - RECORDER_HINT));
    } else {
        d->resident[event->number] = 0;
        d->with_policy--;
        d->policy->remove(d->self, event->number, (enum sp_removal)(event->kind - RECORDER_REMOVE));
    }
}

static void choose_victim(struct decisions *d, const struct event *event)
{
    struct event recorded;
    sp_page page;

    if (d->with_policy == 0 || (event->number != SP_NO_PAGE && event->number >= d->pages)) {
        damaged(d, event);
        return;
    }
    page = d->policy->victim(d->self, event->number);
    if (!take(d, &recorded))
        return;
    d->counts->victims++;
    if (recorded.kind != RECORDER_ANSWER || recorded.number != page)
        differ(d, kind_names[RECORDER_ANSWER], page, &recorded);
}

static void step(struct decisions *d, const struct event *event)
{
    switch (event->kind) {
    case RECORDER_INSERT:
    case RECORDER_BACK:
        bring_in(d, event);
        break;
    case RECORDER_VICTIM:
        choose_victim(d, event);
        break;
    case RECORDER_RESIZE:
        if (event->number == 0)
            damaged(d, event);
        else if (d->policy->resize != NULL)
            d->policy->resize(d->self, event->number);
        break;
    case RECORDER_TIME:
        d->env.time += event->number;
        break;
    case RECORDER_ANSWER:
    case RECORDER_REFERENCED:
    case RECORDER_DIRTY:
    case RECORDER_RANDOM: /* the policy asked then, and does not now */
        differ(d, "nothing", 0, event);
        break;
    case RECORDER_END:
        d->marked = true;
        break;
    default:
        if (event->kind < RECORDER_KINDS)
            about_resident(d, event);
        else
            damaged(d, event);
    }
}

static int run(struct decisions *d, const struct policy_choice *choice)
{
    struct sp_policy_config config = {.pages = d->pages, .frames = 1, .params = choice->params};
    size_t size = d->policy->size(&config);
    struct event event;

    config.env = &d->env;
    d->self = reserve(size);
    d->resident = reserve(d->pages);
    if (d->self == NULL || d->resident == NULL)
        d->result = error_set(d->error, ENOMEM, "no memory for the state of %u pages", d->pages);
    else if (d->policy->init != NULL)
        d->policy->init(d->self, &config);
    while (take(d, &event)) {
        if (d->marked)
            damaged(d, &event);
        else
            step(d, &event);
    }
    if (d->result == 0 && !d->marked)
        d->result =
            error_set(d->error, EILSEQ,
                      "%s: the trace is cut off behind event %llu: it has no mark of its end "
                      "(up to there all was decided the same)",
                      d->trace->source.name, (unsigned long long)d->counts->events);
    reserve_free(d->self, size);
    reserve_free(d->resident, d->pages);
    return d->result;
}

int decisions_check(struct trace *trace, const struct policy_choice *choice,
                    struct decisions_counts *counts, struct sp_error *error)
{
    const struct native_events *events = format_native_events(trace);
    struct decisions d = {.env = {.referenced = env_referenced,
                                  .watch = env_watch,
                                  .dirty = env_dirty,
                                  .random = env_random},
                          .trace = trace,
                          .policy = choice->policy,
                          .counts = counts,
                          .error = error,
                          .pages = events != NULL ? events->pages : 0};

    *counts = (struct decisions_counts){0};
    if (events == NULL)
        return error_set(error, EINVAL,
                         "%s: this is not a trace of a live task, and has no decisions",
                         trace->source.name);
    format_native_want_events(trace);
    return run(&d, choice);
}

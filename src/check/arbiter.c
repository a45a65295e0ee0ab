#include "check/arbiter.h"

#include <string.h>

#include "base/least.h"

#define MILLISECOND UINT64_C(1000000)

size_t check_arbiter_self_size(const struct arbiter_choice *choice, uint32_t frames)
{
    struct sp_arbiter_config config = {.frames = frames, .params = choice->params};

    return choice->arbiter->size != NULL ? choice->arbiter->size(&config) : 0;
}

static size_t own_size(const struct arbiter_choice *choice, uint32_t frames)
{
    struct sp_arbiter_config config = {.frames = frames, .params = choice->params};
    size_t size = choice->arbiter->task_size != NULL ? choice->arbiter->task_size(&config) : 0;

    return (size + 63) / 64 * 64; /* aligned for any object */
}

size_t check_arbiter_owns_size(const struct arbiter_choice *choice, uint32_t frames)
{
    return own_size(choice, frames) * CHECK_ARBITER_TASKS;
}

/* ---- Calls ---- */

static void call(struct check_arbiter *check, void (*work)(void *), void *argument)
{
    if (check->invoke != NULL)
        check->invoke(check->context, work, argument);
    else
        work(argument);
}

/* One call of decide or available, as an argument that fits through `invoke`. */
struct question {
    struct check_arbiter *check;
    struct sp_arbiter_request request;
    uint32_t takes[CHECK_ARBITER_TASKS];
    uint32_t answer;
    uint64_t due;
};

static void work_init(void *argument)
{
    struct check_arbiter *check = argument;

    check->choice->arbiter->init(check->self, &check->config);
}

static void work_decide(void *argument)
{
    struct question *q = argument;
    struct check_arbiter *check = q->check;
    const struct sp_arbiter *arbiter = check->choice->arbiter;

    q->answer =
        arbiter->decide(check->self, check->now, check->task, check->count, &q->request, q->takes);
    q->due = arbiter->due != NULL ? arbiter->due(check->self) : UINT64_MAX;
}

static void work_available(void *argument)
{
    struct question *q = argument;
    struct check_arbiter *check = q->check;

    q->answer = check->choice->arbiter->available(check->self, check->now, check->task,
                                                  check->count, &q->request);
}

/* ---- Tasks ---- */

static uint32_t draw(struct check_arbiter *check, uint32_t below)
{
    return random_below(&check->random, below);
}

/* What a task would use: at least what it holds and asks for. */
static void task_demand(struct check_arbiter *check, struct sp_arbiter_task *task)
{
    task->demand = task->held - task->owed + task->wanted;
    task->demand += draw(check, 2) == 0 ? draw(check, 100) : 0;
}

/* Draw at random what physmem could know of a task. */
static void task_draw(struct check_arbiter *check, struct sp_arbiter_task *task)
{
    task->guaranteed = draw(check, 60);
    task->leased = draw(check, 3) == 0 ? draw(check, 20) : 0;
    task->extra = draw(check, 200);
    task->held = draw(check, task->guaranteed + task->leased + task->extra + 1);
    task->owed = draw(check, 4) == 0 ? draw(check, task->held + 1) : 0;
    task->recallable = 0;
    if (task->held > task->guaranteed + task->leased + task->owed)
        task->recallable = task->held - task->guaranteed - task->leased - task->owed;
    task->wanted = draw(check, 2) == 0 ? draw(check, 100) : 0;
    task_demand(check, task);
    task->idle = draw(check, 3) == 0 ? draw(check, SP_ARBITER_WHOLE + 1) : 0;
    task->ghost_hits += draw(check, 50);
    task->penalty += draw(check, 8) == 0 ? draw(check, 100) : 0;
}

static void task_arrive(struct check_arbiter *check)
{
    struct sp_arbiter_task *task = &check->task[check->count];
    unsigned char *own = check->owns + check->count * check->own_size;

    *task = (struct sp_arbiter_task){.id = ++check->next_id,
                                     .priority = draw(check, 4),
                                     .weight = 1 + draw(check, 5),
                                     .bid = draw(check, 20),
                                     .own = check->own_size > 0 ? own : NULL};
    if (check->own_size > 0)
        memset(own, 0, check->own_size);
    check->count++;
    task_draw(check, task);
}

/* The tasks behind close up, and bring their state along. */
static void task_leave(struct check_arbiter *check, size_t at)
{
    check->count--;
    for (size_t i = at; i < check->count; i++) {
        void *own = check->task[i].own;

        check->task[i] = check->task[i + 1];
        if (own != NULL)
            memcpy(own, check->task[i].own, check->own_size);
        check->task[i].own = own;
    }
}

static void tasks_change(struct check_arbiter *check)
{
    if (check->count < CHECK_ARBITER_TASKS && draw(check, 8) == 0)
        task_arrive(check);
    if (check->count > 0 && draw(check, 16) == 0)
        task_leave(check, draw(check, (uint32_t)check->count));
    for (size_t i = 0; i < check->count; i++)
        if (draw(check, 3) == 0)
            task_draw(check, &check->task[i]);
}

/* ---- Questions ---- */

static uint32_t recallable(const struct check_arbiter *check)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < check->count; i++)
        sum += check->task[i].recallable;
    return sum;
}

static struct sp_arbiter_request request_draw(struct check_arbiter *check)
{
    bool grants = (check->choice->arbiter->flags & SP_ARBITER_GRANTS) != 0;
    struct sp_arbiter_request request = {.spare = (int32_t)draw(check, 80) - 30};
    uint32_t kind = check->count > 0 ? draw(check, 5) : 4;

    for (size_t i = 0; i < check->count; i++)
        request.coming += check->task[i].owed;
    if (kind < 2 || (kind < 4 && !grants)) {
        request.event = SP_ARBITER_SHORT;
        request.frames = 1 + draw(check, 64);
    } else if (kind < 4) {
        request.event = SP_ARBITER_EXTRA;
        request.task = draw(check, (uint32_t)check->count);
        request.frames = 1 + draw(check, 64);
        check->task[request.task].wanted = request.frames;
        task_demand(check, &check->task[request.task]);
    } else {
        request.event = SP_ARBITER_TICK;
    }
    return request;
}

static void judge(struct check_arbiter *check, const struct question *q)
{
    uint32_t sum = 0, most = recallable(check);

    for (size_t i = 0; i < check->count; i++) {
        if (q->takes[i] > check->task[i].recallable)
            check_text_breach(check->log,
                              "decide takes %u frames from a task that has %u that may be recalled",
                              q->takes[i], check->task[i].recallable);
        sum += q->takes[i];
    }
    if (q->request.event == SP_ARBITER_EXTRA && q->answer > q->request.frames)
        check_text_breach(check->log, "decide grants %u frames, of %u that were asked for",
                          q->answer, q->request.frames);
    if (q->request.event == SP_ARBITER_SHORT && sum < least_of(q->request.frames, most))
        check_text_breach(
            check->log,
            "%u frames are missing and %u may be recalled, and decide takes %u: physmem "
            "would take the rest from the task that has most",
            q->request.frames, most, sum);
}

static void note_answer(struct check_arbiter *check, uint64_t answer)
{
    check->answers = (check->answers ^ answer) * UINT64_C(0x9e3779b97f4a7c15);
    check->answers ^= check->answers >> 29;
}

static void ask_decide(struct check_arbiter *check)
{
    struct question q = {.check = check, .request = request_draw(check)};
    struct sp_arbiter_task before[CHECK_ARBITER_TASKS];

    memcpy(before, check->task, sizeof(before));
    call(check, work_decide, &q);
    if (memcmp(before, check->task, sizeof(before)) != 0)
        check_text_breach(check->log,
                          "decide writes to `tasks`, of which only `own` is the arbiter's");
    judge(check, &q);
    for (size_t i = 0; i < check->count; i++)
        note_answer(check, q.takes[i]);
    note_answer(check, q.request.event == SP_ARBITER_EXTRA ? q.answer : 0);
    note_answer(check, q.due);
}

static void ask_available(struct check_arbiter *check)
{
    struct question q = {.check = check,
                         .request = {.event = SP_ARBITER_EXTRA, .spare = (int32_t)draw(check, 50)}};

    q.request.task = draw(check, (uint32_t)check->count);
    q.request.frames = check->task[q.request.task].wanted;
    call(check, work_available, &q);
    note_answer(check, q.answer);
}

void check_arbiter_begin(struct check_arbiter *check, const struct arbiter_choice *choice,
                         uint32_t frames, uint64_t seed, struct check_log *log, void *self,
                         void *owns)
{
    check->choice = choice;
    check->config = (struct sp_arbiter_config){.frames = frames, .params = choice->params};
    check->log = log;
    check->random = random_seeded(seed);
    check->self = self;
    check->owns = owns;
    check->self_size = check_arbiter_self_size(choice, frames);
    check->own_size = own_size(choice, frames);
    check->count = 0;
    check->next_id = 0;
    check->now = 1000 * MILLISECOND;
    check->answers = 0;
    log->step = 0;
    if (choice->arbiter->init != NULL)
        call(check, work_init, check);
    for (uint32_t tasks = draw(check, CHECK_ARBITER_TASKS); tasks > 0; tasks--)
        task_arrive(check);
}

bool check_arbiter_step(struct check_arbiter *check)
{
    const struct sp_arbiter *arbiter = check->choice->arbiter;

    check->log->step++;
    check->now += draw(check, 4) == 0 ? draw(check, 3000) * MILLISECOND : draw(check, 1000);
    tasks_change(check);
    ask_decide(check);
    if (arbiter->available != NULL && (arbiter->flags & SP_ARBITER_GRANTS) != 0 &&
        check->count > 0 && draw(check, 4) == 0)
        ask_available(check);
    return check->log->breach[0] == '\0';
}

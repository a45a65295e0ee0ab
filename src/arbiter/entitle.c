#include "arbiter/entitle.h"

#include <errno.h>
#include <string.h>

#define ALIGNMENT 16u

static void *block_new(const struct allocator *allocator, size_t size)
{
    void *block = allocator->resize(allocator->context, NULL, 0, size);

    if (block != NULL)
        memset(block, 0, size);
    return block;
}

static void block_free(const struct allocator *allocator, void *block, size_t size)
{
    if (block != NULL && size > 0)
        allocator->resize(allocator->context, block, size, 0);
}

static size_t saved_size(const struct entitle *entitle, uint32_t capacity)
{
    return entitle->self_size + capacity * entitle->own_size;
}

static void arrays_free(struct entitle *entitle)
{
    const struct allocator *allocator = entitle->allocator;
    uint32_t capacity = entitle->capacity;

    block_free(allocator, entitle->id, capacity * sizeof(*entitle->id));
    block_free(allocator, entitle->new_id, capacity * sizeof(*entitle->new_id));
    block_free(allocator, entitle->said, capacity * sizeof(*entitle->said));
    block_free(allocator, entitle->new_said, capacity * sizeof(*entitle->new_said));
    block_free(allocator, entitle->own, capacity * entitle->own_size);
    block_free(allocator, entitle->new_own, capacity * entitle->own_size);
    block_free(allocator, entitle->saved, saved_size(entitle, capacity));
    block_free(allocator, entitle->takes, capacity * sizeof(*entitle->takes));
}

int entitle_init(struct entitle *entitle, const struct allocator *allocator,
                 const struct arbiter_choice *choice, uint32_t frames)
{
    const struct sp_arbiter *arbiter = choice->arbiter;
    struct sp_arbiter_config *config = &entitle->config;

    *entitle = (struct entitle){.allocator = allocator, .choice = *choice};
    config->frames = frames;
    config->params = entitle->choice.params;
    if (arbiter->task_size != NULL)
        entitle->own_size = (arbiter->task_size(config) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (arbiter->size != NULL)
        entitle->self_size = arbiter->size(config);
    if (entitle->self_size > 0) {
        entitle->self = block_new(allocator, entitle->self_size);
        if (entitle->self == NULL)
            return -ENOMEM;
    }
    if (arbiter->init != NULL)
        arbiter->init(entitle->self, config);
    return 0;
}

void entitle_fini(struct entitle *entitle)
{
    arrays_free(entitle);
    block_free(entitle->allocator, entitle->self, entitle->self_size);
    *entitle = (struct entitle){0};
}

/* Room for `count` tasks. Returns 0 or -ENOMEM. */
static int arrays_reserve(struct entitle *entitle, uint32_t count)
{
    const struct allocator *allocator = entitle->allocator;
    struct entitle larger = *entitle;

    if (count <= entitle->capacity && entitle->takes != NULL)
        return 0;
    larger.capacity = count < 32 ? 64 : count > UINT32_MAX / 2 ? count : 2 * count;
    larger.id = block_new(allocator, larger.capacity * sizeof(*larger.id));
    larger.new_id = block_new(allocator, larger.capacity * sizeof(*larger.new_id));
    larger.said = block_new(allocator, larger.capacity * sizeof(*larger.said));
    larger.new_said = block_new(allocator, larger.capacity * sizeof(*larger.new_said));
    larger.takes = block_new(allocator, larger.capacity * sizeof(*larger.takes));
    larger.own = NULL;
    larger.new_own = NULL;
    larger.saved = NULL;
    if (larger.own_size > 0) {
        larger.own = block_new(allocator, larger.capacity * larger.own_size);
        larger.new_own = block_new(allocator, larger.capacity * larger.own_size);
    }
    if (saved_size(&larger, larger.capacity) > 0)
        larger.saved = block_new(allocator, saved_size(&larger, larger.capacity));
    if (larger.id == NULL || larger.new_id == NULL || larger.takes == NULL || larger.said == NULL ||
        larger.new_said == NULL ||
        (larger.own_size > 0 && (larger.own == NULL || larger.new_own == NULL)) ||
        (saved_size(&larger, larger.capacity) > 0 && larger.saved == NULL)) {
        arrays_free(&larger);
        return -ENOMEM;
    }
    if (entitle->count > 0) {
        memcpy(larger.id, entitle->id, entitle->count * sizeof(*larger.id));
        memcpy(larger.said, entitle->said, entitle->count * sizeof(*larger.said));
        if (larger.own_size > 0)
            memcpy(larger.own, entitle->own, entitle->count * larger.own_size);
    }
    arrays_free(entitle);
    *entitle = larger;
    return 0;
}

/* Give each task the state it had, or zeros if it has just come. */
static void match_states(struct entitle *entitle, struct sp_arbiter_task *tasks, uint32_t count)
{
    size_t size = entitle->own_size;
    struct entitle old = *entitle;
    uint32_t o = 0;

    entitle->id = old.new_id;
    entitle->said = old.new_said;
    entitle->own = old.new_own;
    entitle->new_id = old.id;
    entitle->new_said = old.said;
    entitle->new_own = old.own;
    entitle->count = count;
    for (uint32_t i = 0; i < count; i++) {
        bool known;

        while (o < old.count && old.id[o] < tasks[i].id)
            o++;
        known = o < old.count && old.id[o] == tasks[i].id;
        entitle->id[i] = tasks[i].id;
        entitle->said[i] = known ? old.said[o] : 0;
        tasks[i].own = size > 0 ? entitle->own + i * size : NULL;
        if (size > 0 && known)
            memcpy(tasks[i].own, old.own + o * size, size);
        else if (size > 0)
            memset(tasks[i].own, 0, size);
    }
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* The frames that count as a task's: at least those that its contracts promise. */
static uint32_t base_of(const struct sp_arbiter_task *task)
{
    uint32_t commitment = task->guaranteed + task->leased;
    uint32_t has = task->held - task->owed;

    return has > commitment ? has : commitment;
}

static uint64_t arbiter_due(const struct entitle *entitle)
{
    const struct sp_arbiter *arbiter = entitle->choice.arbiter;

    return arbiter->due != NULL ? arbiter->due(entitle->self) : UINT64_MAX;
}

static uint32_t decide(struct entitle *entitle, uint64_t now, const struct sp_arbiter_task *tasks,
                       uint32_t count, const struct sp_arbiter_request *request)
{
    uint32_t grant;

    memset(entitle->takes, 0, count * sizeof(*entitle->takes));
    grant =
        entitle->choice.arbiter->decide(entitle->self, now, tasks, count, request, entitle->takes);
    for (uint32_t i = 0; i < count; i++)
        entitle->takes[i] = smaller(entitle->takes[i], tasks[i].recallable);
    return smaller(grant, request->frames);
}

/* Frames taken from a task count as recalled. */
static void note_takes(const struct entitle *entitle, struct sp_arbiter_task *tasks, uint32_t count,
                       struct sp_arbiter_request *request)
{
    for (uint32_t i = 0; i < count; i++) {
        tasks[i].owed += entitle->takes[i];
        tasks[i].recallable -= entitle->takes[i];
        request->coming += entitle->takes[i];
    }
}

/* Keep the arbiter's state, and put it back. */
static void state_save(struct entitle *entitle)
{
    if (entitle->self_size > 0)
        memcpy(entitle->saved, entitle->self, entitle->self_size);
    if (entitle->own_size > 0)
        memcpy(entitle->saved + entitle->self_size, entitle->own,
               entitle->count * entitle->own_size);
}

static void state_restore(struct entitle *entitle)
{
    if (entitle->self_size > 0)
        memcpy(entitle->self, entitle->saved, entitle->self_size);
    if (entitle->own_size > 0)
        memcpy(entitle->own, entitle->saved + entitle->self_size,
               entitle->count * entitle->own_size);
}

/* Ask which tasks would give if frames were short, for growing numbers of frames. */
static void lay_down(struct entitle *entitle, uint64_t now, const struct sp_arbiter_task *tasks,
                     uint32_t count, struct sp_arbiter_request request, struct entitlement *out)
{
    uint32_t frames = entitle->config.frames / ENTITLE_BATCH;

    state_save(entitle);
    request.event = SP_ARBITER_SHORT;
    request.frames = frames > 0 ? frames : 1;
    for (unsigned step = 0; step < ENTITLE_STEPS; step++) {
        decide(entitle, now, tasks, count, &request);
        state_restore(entitle);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t before = step > 0 ? out[i].gives[step - 1] : 0;

            out[i].gives[step] = entitle->takes[i] > before ? entitle->takes[i] : before;
        }
        request.frames = request.frames > UINT32_MAX / ENTITLE_GROWTH
                             ? UINT32_MAX
                             : request.frames * ENTITLE_GROWTH;
    }
}

/* A task that wants frames asks for them. Returns how many it is granted that are not there yet. */
static uint32_t grant_wanted(struct entitle *entitle, uint64_t now, struct sp_arbiter_task *tasks,
                             uint32_t count, struct sp_arbiter_request *request, uint32_t i)
{
    uint32_t granted, given;

    request->task = i;
    request->frames = tasks[i].wanted;
    if (request->frames == 0)
        return 0;
    granted = decide(entitle, now, tasks, count, request);
    note_takes(entitle, tasks, count, request);
    given = request->spare > 0 ? smaller(granted, (uint32_t)request->spare) : 0;
    tasks[i].held = base_of(&tasks[i]) + tasks[i].owed + given;
    tasks[i].recallable += given;
    tasks[i].wanted -= given;
    request->spare -= (int32_t)given;
    return granted - given;
}

/* How many a task would be granted if it wanted all it may have. */
static uint32_t grant_all(struct entitle *entitle, uint64_t now, struct sp_arbiter_task *tasks,
                          uint32_t count, struct sp_arbiter_request request, uint32_t i)
{
    struct sp_arbiter_task *task = &tasks[i];
    uint32_t beyond = base_of(task) - (task->guaranteed + task->leased);
    uint32_t wanted = task->wanted;
    uint32_t granted;

    request.task = i;
    request.frames = task->extra > beyond ? task->extra - beyond : 0;
    if (request.frames == 0)
        return 0;
    task->wanted = request.frames;
    granted = decide(entitle, now, tasks, count, &request);
    state_restore(entitle);
    task->wanted = wanted;
    return granted;
}

/* EXTRA for those whose turn it is. */
static void entitle_extra(struct entitle *entitle, uint64_t now, struct sp_arbiter_task *tasks,
                          uint32_t count, struct sp_arbiter_request *request,
                          struct entitlement *out)
{
    uint32_t turn = smaller(count, ENTITLE_TURN);
    uint32_t first = entitle->next < count ? entitle->next : 0;

    request->event = SP_ARBITER_EXTRA;
    for (uint32_t k = 0; k < turn; k++) {
        uint32_t i = (first + k) % count;

        out[i].frames = grant_wanted(entitle, now, tasks, count, request, i);
    }
    state_save(entitle);
    for (uint32_t k = 0; k < count; k++) {
        uint32_t i = (first + k) % count;
        uint32_t base = base_of(&tasks[i]);
        uint64_t sum = base;

        if (k < turn) {
            uint32_t all = grant_all(entitle, now, tasks, count, *request, i);

            sum += all > out[i].frames ? all : out[i].frames;
        } else if (entitle->said[i] > base) {
            sum = entitle->said[i];
        }
        out[i].frames = sum > UINT32_MAX ? UINT32_MAX : (uint32_t)sum;
        entitle->said[i] = out[i].frames;
    }
    entitle->next = turn < count ? (first + turn) % count : 0;
}

int entitle_round(struct entitle *entitle, uint64_t now, struct sp_arbiter_task *tasks,
                  uint32_t count, const struct entitle_books *books, struct entitlement *out)
{
    const struct sp_arbiter *arbiter = entitle->choice.arbiter;
    struct sp_arbiter_request request = {.spare = books->spare, .coming = books->coming};

    if (arrays_reserve(entitle, count) != 0)
        return -ENOMEM;
    match_states(entitle, tasks, count);
    lay_down(entitle, now, tasks, count, request, out);
    if (now >= arbiter_due(entitle)) {
        request.event = SP_ARBITER_TICK;
        decide(entitle, now, tasks, count, &request);
        note_takes(entitle, tasks, count, &request);
    }
    if ((arbiter->flags & SP_ARBITER_GRANTS) != 0)
        entitle_extra(entitle, now, tasks, count, &request, out);
    else
        for (uint32_t i = 0; i < count; i++)
            out[i].frames = UINT32_MAX;
    return 0;
}

uint64_t entitle_due(const struct entitle *entitle)
{
    return entitle->next > 0 ? 0 : arbiter_due(entitle);
}

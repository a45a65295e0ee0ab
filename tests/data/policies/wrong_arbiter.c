/* The task that has most gives first, with one mistake: WRONG names it. What selfpage check-arbiter
 * says about each mistake stands in tests/sim/selfpage/policy/check_arbiter. */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <selfpage/arbiter.h>

enum mistake {
    NONE,
    TAKES_TOO_MUCH,
    TAKES_TOO_LITTLE,
    GRANTS_TOO_MUCH,
    WRITES_TASKS,
    WRITES_BEHIND,
    STATIC_STATE,
    CRASHES,
    LOOPS,
    ALLOCATES,
    WRITES_OUTPUT,
    READS_TIME,
    STATE_OF_AVAILABLE,
};

struct wrong {
    uint32_t calls;
    uint32_t seen[4];
};

static size_t wrong_size(const struct sp_arbiter_config *config)
{
    (void)config;
    return sizeof(struct wrong);
}

/* What an arbiter knows of a task goes with the task, whoever comes and leaves. */
struct own {
    uint32_t id;
};

static size_t own_size(const struct sp_arbiter_config *config)
{
    (void)config;
    return sizeof(struct own);
}

static void look_at_own(const struct sp_arbiter_task *task)
{
    struct own *own = task->own;

    if (own->id != 0 && own->id != task->id)
        abort();
    own->id = task->id;
}

static uint32_t strange_things(struct wrong *w, const struct sp_arbiter_task *tasks, size_t count)
{
    static volatile uint32_t calls_of_all;
    void *volatile memory;

    w->calls++;
    calls_of_all++;
    if (WRONG == WRITES_TASKS && count > 0)
        ((struct sp_arbiter_task *)tasks)->held++;
    if (WRONG == WRITES_BEHIND)
        ((volatile char *)w)[sizeof(*w) + 3] = 1;
    if (WRONG == CRASHES && w->calls == 20)
        *(volatile int *)64 = 1;
    while (WRONG == LOOPS && w->calls == 20)
        calls_of_all++;
    if (WRONG == ALLOCATES) {
        memory = malloc(24);
        (void)memory;
    }
    if (WRONG == WRITES_OUTPUT && w->calls == 20 && write(1, "", 0) != 0)
        return 1;
    if (WRONG == READS_TIME)
        return (uint32_t)(time(NULL) % 2);
    if (WRONG == STATIC_STATE)
        return calls_of_all % 2;
    return 0;
}

static uint32_t wrong_decide(void *self, uint64_t now, const struct sp_arbiter_task *tasks,
                             size_t count, const struct sp_arbiter_request *request,
                             uint32_t *takes)
{
    uint32_t odd = strange_things(self, tasks, count);
    uint32_t missing = request->event == SP_ARBITER_SHORT ? request->frames : 0;

    (void)now;
    for (size_t i = 0; i < count; i++)
        look_at_own(&tasks[i]);
    for (size_t i = 0; i < count && missing > 0; i++) {
        takes[i] = tasks[i].recallable < missing ? tasks[i].recallable : missing;
        missing -= takes[i];
        if (WRONG == TAKES_TOO_MUCH)
            takes[i] = tasks[i].recallable + 1;
        if (WRONG == TAKES_TOO_LITTLE && takes[i] > 0)
            takes[i]--;
    }
    if (request->event != SP_ARBITER_EXTRA)
        return 0;
    return WRONG == GRANTS_TOO_MUCH ? request->frames + 1 : request->frames - odd % 2;
}

static uint32_t wrong_available(const void *self, uint64_t now, const struct sp_arbiter_task *tasks,
                                size_t count, const struct sp_arbiter_request *request)
{
    static volatile uint32_t calls_of_all;

    (void)self;
    (void)now;
    (void)tasks;
    (void)count;
    return WRONG == STATE_OF_AVAILABLE ? ++calls_of_all % 2 : request->frames;
}

const struct sp_arbiter sp_arbiter_plugin = {
    .abi = SP_ARBITER_ABI,
    .flags = SP_ARBITER_GRANTS,
    .name = "wrong",
    .size = wrong_size,
    .task_size = own_size,
    .decide = wrong_decide,
    .available = wrong_available,
};

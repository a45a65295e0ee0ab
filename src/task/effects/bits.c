#include "task/effects/bits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "task/effects/apart.h"
#include "task/effects/memory.h"
#include "task/state/end.h"
#include "task/state/hold.h"
#include "task/state/say.h"
#include "task/state/units.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#define VARIABLE "SELFPAGE_BITS"

enum way { WAY_ANY, WAY_KERNEL, WAY_SIGNALS };

static int wanted_way(enum way *wantedp, struct sp_error *error)
{
    const char *text = getenv(VARIABLE);

    check(wantedp != NULL);
    *wantedp = WAY_ANY;
    if (text == NULL || text[0] == '\0')
        return 0;
    if (strcmp(text, "kernel") == 0)
        *wantedp = WAY_KERNEL;
    else if (strcmp(text, "signals") == 0)
        *wantedp = WAY_SIGNALS;
    else
        return error_set(error, EINVAL,
                         VARIABLE "='%s' is neither 'kernel' (the kernel notes references) nor "
                                  "'signals' (each is a signal)",
                         text);
    return 0;
}

/* Why bits would not do here, whatever the kernel says; NULL: they would. */
static const char *reason_against(const struct sp_task *task, const struct sp_policy *policy)
{
    check(policy != NULL);
    if ((policy->flags & SP_POLICY_SAMPLES) == 0)
        return "the eviction policy needs to see each reference, or a trace of it is written";
    if (task->page_order > 0)
        return "the task's pages are larger than the smallest";
    return RUNNING_ON_VALGRIND ? "it runs under Valgrind" : NULL;
}

int bits_begin(struct sp_task *task, const struct sp_policy *policy, struct sp_error *error)
{
    const char *against = reason_against(task, policy);
    struct sp_error why = {.text = ""};
    enum way wanted;
    int result = wanted_way(&wanted, error);

    check(task->bits.faults_fd < 0);
    if (result != 0 || wanted == WAY_SIGNALS)
        return result;
    if (against != NULL)
        result = error_set(&why, ENOTSUP, "%s", against);
    else
        result = page_bits_open(&task->bits, &why);
    if (result == 0 || wanted == WAY_ANY)
        return 0;
    return error_set(error, -result, VARIABLE "=kernel: the kernel cannot note references: %s",
                     why.text);
}

void bits_end(struct sp_task *task)
{
    page_bits_close(&task->bits);
    check(task->bits.map_fd < 0);
}

static _Noreturn void fail(struct sp_task *task, int code)
{
    check(code > 0);
    if (code == EBADF || code == ENOTTY)
        end_closed(task);
    say_and_die(task,
                "the kernel does not tell which pages are referenced: %s (" VARIABLE
                "=signals does without)",
                strerror(code));
}

/* Pages to look at together with this one. Every one costs the kernel a search for its mapping: where the policy asks
 * about one page here and one there they are looked at one by one, and where it goes on with a neighbour, twice as
 * many as the last time. */
static uint32_t width_of(const struct sp_task *task, sp_page page)
{
    uint32_t width = task->bits_width != 0 ? task->bits_width : TASK_BITS;

    check(width <= TASK_BITS && (width & (width - 1)) == 0);
    if (page == task->bits_first + task->bits_count || page + 1 == task->bits_first)
        return width < TASK_BITS ? 2 * width : TASK_BITS;
    return task->bits_asked == 1 && width > 1 ? width / 2 : width;
}

/* Read the bits of the pages around this one. */
static void look(struct sp_task *task, sp_page page)
{
    uint64_t entries[TASK_BITS];
    uint32_t width = width_of(task, page);
    sp_page first = page / width * width;
    uint32_t left = task->pager.config.pages - first;
    uint32_t count = left < width ? left : width;
    int result = page_bits_read(&task->bits, memory_address(task, first), count, entries);

    check(page - first < count);
    if (result != 0)
        fail(task, -result);
    task->bits_first = first;
    task->bits_count = count;
    task->bits_width = width;
    task->bits_asked = 0;
    task->bits_present = 0;
    for (uint32_t i = 0; i < count; i++)
        if ((entries[i] & PAGE_BITS_PRESENT) != 0)
            task->bits_present |= UINT64_C(1) << i;
    task->bits_known = true;
}

/* What the pager does with pages in a call it does when the call has ended: all answers of one call can come from one
 * look. */
static bool is_referenced(void *arg, sp_page page)
{
    struct sp_task *task = arg;

    check(hold_is_ours() && page < task->pager.config.pages);
    if (!task->bits_known || page - task->bits_first >= task->bits_count)
        look(task, page);
    task->bits_asked++;
    return (task->bits_present >> (page - task->bits_first) & 1) != 0;
}

void bits_configure(struct sp_task *task, struct pager_config *config)
{
    if (task->bits.faults_fd < 0)
        return;
    check(task->page_order == 0 && (config->policy->flags & SP_POLICY_SAMPLES) != 0);
    config->referenced = is_referenced;
    config->referenced_arg = task;
}

/* Are these pages out of the page table, as the last look at them says? It need not be old: to take them out again
 * changes nothing then. */
static bool are_out(const struct sp_task *task, sp_page from, sp_page to)
{
    check(from <= to);
    for (; from < to; from++)
        if (!task->bits_known || from - task->bits_first >= task->bits_count ||
            (task->bits_present >> (from - task->bits_first) & 1) != 0)
            return false;
    return true;
}

void bits_take(struct sp_task *task, const struct iovec *range, uint32_t count)
{
    int result = page_bits_take(&task->bits, range, count);

    check(count > 0 && task->bits.faults_fd >= 0);
    if (result != 0)
        fail(task, -result);
}

void bits_arm_last(struct sp_task *task)
{
    struct iovec range = {.iov_base = memory_address(task, task->arm_first),
                          .iov_len = task->arm_count * unit_bytes(task)};

    check(hold_is_ours() && task->arm_count > 0);
    if (!apart_take(task, task->arm_first, task->arm_count))
        bits_take(task, &range, 1);
    task->arm_count = 0;
}

void bits_arm(struct sp_task *task, const struct pager_effect *effect, uint32_t count)
{
    sp_page behind = task->arm_first + task->arm_count;
    int result = 0;

    check(hold_is_ours() && count > 0 && task->bits.faults_fd >= 0);
    if (!effect->watched)
        result = page_bits_watch(&task->bits, memory_address(task, effect->page),
                                 count * unit_bytes(task));
    /* Without room for one more mapping bits of neighbours may be wrong, and nothing else. */
    if (result != 0 && result != -ENOMEM)
        fail(task, -result);
    if (task->arm_count > 0 && effect->page >= behind && are_out(task, behind, effect->page)) {
        task->arm_count = effect->page + count - task->arm_first;
        return;
    }
    if (task->arm_count > 0)
        bits_arm_last(task);
    task->arm_first = effect->page;
    task->arm_count = count;
}

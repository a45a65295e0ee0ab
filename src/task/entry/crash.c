/* Last words of a task that crashes in the midst of paging: whose code crashed, as far as this file
 * can tell, and for which page. The process then dies of the signal, as it would have without them.
 *
 * While a thread holds the lock of the task, only the pager and the eviction policy run. A crash at
 * that time is a fault of the policy if it happens in the object that the policy came from. Where
 * that object also holds the library, as in a statically linked program, either can be at fault. */
#include "task/entry/crash.h"

#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "task/entry/machine.h"
#include "task/state/doing.h"
#include "task/state/hold.h"
#include "task/state/say.h"

/* The segment of code that holds an address, or NULL. */
static const ElfW(Phdr) * segment_of(const struct dl_phdr_info *object, uintptr_t address)
{
    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];

        if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X) != 0 &&
            address - (object->dlpi_addr + segment->p_vaddr) < segment->p_memsz)
            return segment;
    }
    return NULL;
}

static int look_at_object(struct dl_phdr_info *object, size_t size, void *arg)
{
    struct crash_object *policy = arg;
    const ElfW(Phdr) *segment = segment_of(object, policy->first);
    const char *slash = strrchr(object->dlpi_name, '/');

    (void)size;
    if (segment == NULL)
        return 0;
    check(segment->p_memsz > 0);
    *policy = (struct crash_object){
        .first = object->dlpi_addr + segment->p_vaddr,
        .size = segment->p_memsz,
        .base = object->dlpi_addr,
        .library = segment_of(object, (uintptr_t)crash_explain) != NULL,
    };
    snprintf(policy->name, sizeof(policy->name), "%s",
             slash != NULL                ? slash + 1
             : *object->dlpi_name != '\0' ? object->dlpi_name
                                          : program_invocation_short_name);
    return 1;
}

void crash_watch_policy(struct sp_task *task)
{
    check(task->policy.policy != NULL);
    task->policy_object_at = (struct crash_object){.first = (uintptr_t)task->policy.policy->victim};
    if (dl_iterate_phdr(look_at_object, &task->policy_object_at) == 0)
        task->policy_object_at = (struct crash_object){.library = true};
}

void crash_explain(const struct sp_task *task, const siginfo_t *info, const ucontext_t *context)
{
    const struct crash_object *policy = &task->policy_object_at;
    uintptr_t code = machine_instruction(context);
    bool inside = code - policy->first < policy->size;
    char what[160], where[80], when[64] = "while frames were given back";

    if (!hold_is_ours() && doing_refilling() == SP_NO_PAGE)
        return;
    check(!inside || policy->size > 0);
    if (inside)
        snprintf(where, sizeof(where), "%s+0x%zx", policy->name, (size_t)(code - policy->base));
    else
        snprintf(where, sizeof(where), "code address %p", (void *)code);
    snprintf(what, sizeof(what), "signal %d, access to address %p, at %s", info->si_signo,
             info->si_addr, where);
    if (doing_serving() != SP_NO_PAGE)
        snprintf(when, sizeof(when), "while the fault on page %u was served", doing_serving());
    if (!hold_is_ours())
        say(task, "crash in the refill callback for page %u of its region: %s", doing_refilling(),
            what);
    else
        say(task, "crash in the eviction policy '%s'%s: %s, %s", task->policy.policy->name,
            inside && !policy->library ? "" : ", or in what it was called from or called", what,
            when);
}

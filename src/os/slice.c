#include "os/slice.h"

#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The shortest that the kernel gives. */
#define SHORTEST_NS UINT64_C(100000)

/* The first version of the kernel's struct sched_attr, which all kernels take. <linux/sched/types.h> has a struct of this
 * name, and so have some C libraries. */
struct slice_attributes {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns; /* of a thread of SCHED_OTHER: its turns; 0: as the kernel likes */
    uint64_t deadline_ns;
    uint64_t period_ns;
};

void slice_shorten(void)
{
    struct slice_attributes attributes = {0};

    if (syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0) != 0 ||
        attributes.policy != SCHED_OTHER)
        return;
    attributes.size = sizeof(attributes);
    attributes.runtime_ns = SHORTEST_NS;
    (void)syscall(SYS_sched_setattr, 0, &attributes,
                  0); /* without it turns are longer, and that is all */
}

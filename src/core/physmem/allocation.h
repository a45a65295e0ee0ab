/* One allocation: what it comes to, and carrying it out. Looking and acting are apart: a plan is made
 * once, and changes nothing; what is carried out cannot fail. */
#ifndef CORE_PHYSMEM_ALLOCATION_H
#define CORE_PHYSMEM_ALLOCATION_H

#include "core/physmem/state.h"

/* The result that an allocation would have now. */
struct plan {
    uint32_t span;    /* slots from the start that are served */
    uint32_t need;    /* frames for that */
    int error;        /* not 0: it is refused for this reason */
    const char *text; /* of the error */
    bool waits;       /* for `need` frames to come back */
};

/* Find out what becomes of an allocation, which waits in any case if frames are needed and it may not
 * be served before others (`turn` is false). For what is served now frames are made free, and the
 * tables are made. */
struct plan allocation_plan(struct physmem *physmem, const struct physmem_request *request,
                            struct container *container,
                            const struct physmem_allocation *allocation, bool turn);

/* Carry out a plan that does not wait, and answer. Grace that is counted in allocations may run out:
 * the task may be revoked after. */
void allocation_finish(struct physmem *physmem, const struct physmem_request *request,
                       struct container *container, const struct physmem_allocation *allocation,
                       const struct plan *planned);

#endif

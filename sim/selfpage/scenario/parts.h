/* Tasks that live from a part of another task's contract (part_of:). */
#ifndef SELFPAGE_SCENARIO_PARTS_H
#define SELFPAGE_SCENARIO_PARTS_H

#include <stdint.h>

#include <selfpage/contract.h>
#include <selfpage/error.h>

#include "selfpage/scenario/scenario.h"

/* A part. It is split off from the first contract of its kind that the task above has. */
struct scenario_part {
    uint32_t above; /* index of that task */
    struct sp_terms
        terms; /* of the part: its frames, and else what the contract says that has no part_of */
};

/* The part that a task lives from, which has part_of. Returns 0, or -EINVAL: *fieldp is the field of the task that is wrong,
 * and the error says why, without the names of either. */
int parts_find(const struct scenario *scenario, uint32_t index, struct scenario_part *part,
               const char **fieldp, struct sp_error *error);

/* The next task from index `from` on that lives from a part of this one; the number of tasks if there is none. */
uint32_t parts_next(const struct scenario *scenario, uint32_t above, uint32_t from);

#endif

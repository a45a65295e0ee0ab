/* What physmem tells about itself. */
#include "core/physmem/internal.h"

void physmem_get_status(const struct physmem *physmem, struct physmem_status *status)
{
    *status = physmem->counters;
    status->frames = physmem->config.frames;
    status->free = physmem->frames.buddy.free;
    status->soft = physmem->frames.soft;
    status->guaranteed = physmem->guaranteed;
    status->leased = physmem->leased;
    status->tasks = physmem->tasks_there;
    status->extents = physmem->extent_count;
    status->control = physmem->control.state;
    status->controllers = physmem->control.controllers;
    status->entitlements = physmem->control.entitlements;
}

void physmem_task_get_status(const struct physmem_task *task, struct physmem_task_status *status)
{
    *status = (struct physmem_task_status){
        .pid = task->identity.pid,
        .uid = task->identity.uid,
        .id = task->id,
        .guaranteed = task->guaranteed,
        .leased = task->leased,
        .extra = task->extra,
        .held = task->held,
        .soft = task->soft,
        .owed = task->owed,
        .contracts = task->contracts,
        .allocations = task->allocations,
        .recalls = task->recalled,
        .recalls_met = task->recalls_met,
        .recalls_missed = task->recalls_missed,
        .frames_recalled = task->frames_recalled,
        .recalls_transparent = task->recalls_transparent,
        .frames_transparent = task->frames_transparent,
        .overdue = task->overdue,
        .warnings = task->warnings,
        .penalty = task->penalty,
        .repossessed = task->repossessed,
        .unmaps = task->unmapped,
        .available = task->heard.available,
        .breached = task->breached,
        .reason = task->reason,
    };
}

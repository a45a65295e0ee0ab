/* The events of a run. */
#ifndef SELFPAGE_RUN_EVENTS_H
#define SELFPAGE_RUN_EVENTS_H

#include "selfpage/run/state.h"

/* Have the loop let an event happen in its time. */
void events_arm(struct run_event *event);

/* See whether physmem has answered the recall that waits for it, or never will. */
void events_look(struct run *run);

/* The loop is over: tell of every event that has not happened. */
void events_end(struct run *run);

/* Put into the outcome which events happened, and that all had to. Returns 0 or -ENOMEM. */
int events_judge(struct run *run);

#endif

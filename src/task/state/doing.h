/* What this thread is doing, for the last words of one that crashes. Pages: SP_NO_PAGE for none. */
#ifndef TASK_STATE_DOING_H
#define TASK_STATE_DOING_H

#include "task/state/state.h"

/* This thread serves a fault on a page, or none any more. */
void doing_serve(sp_page page);
sp_page doing_serving(void);

/* It calls back to have a page made, numbered within its region, or none any more. */
void doing_refill(sp_page page);
sp_page doing_refilling(void);

#endif

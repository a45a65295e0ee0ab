/* Names of arbiters with commas between them, as several commands take. */
#ifndef SELFPAGE_COMMAND_ARBITER_LIST_H
#define SELFPAGE_COMMAND_ARBITER_LIST_H

#include <stddef.h>

#include <selfpage/error.h>

#include "launch/strings.h"

/* Parse "esx:tax=0.5,batch=4,fcfs": a piece with a value belongs to the name before it, unless it
 * has a colon of its own. Replaces *list, by 1 to `most` names. `option` is for messages. Returns 0,
 * -EINVAL or -ENOMEM. */
int arbiter_list_parse(const char *option, const char *text, size_t most, struct strings *list,
                       struct sp_error *error);

#endif

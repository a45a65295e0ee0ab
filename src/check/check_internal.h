/* What the files of the checker share with each other, and with nobody else. */
#ifndef CHECK_CHECK_INTERNAL_H
#define CHECK_CHECK_INTERNAL_H

#include "check/check.h"

/* Give check->env its functions. */
void check_env_init(struct check *check);

/* Call the policy. True if no rule was broken by it. */
bool check_call_policy(struct check *check, enum check_kind kind, sp_page page, unsigned detail);

#endif

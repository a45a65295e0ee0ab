/* Whether a policy that claims to forget what leaves (SP_POLICY_FORGETS), or to tell what it forgets (SP_POLICY_TELLS), does:
 * named by numbers that are used again instead of their own, pages have to leave in the same order. */
#ifndef SELFPAGE_POLICY_CHECK_FORGETS_H
#define SELFPAGE_POLICY_CHECK_FORGETS_H

#include <stdint.h>

#include "check/check.h"

/* Replay references that the seed draws both ways, at several sizes that change. A difference is a breach in the log. Returns 0, or a
 * negative errno: there was no memory. */
int check_forgets(const struct policy_choice *choice, uint64_t seed, struct check_log *log);

#endif

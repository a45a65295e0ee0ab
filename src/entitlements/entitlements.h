/* The file of entitlements: see the help text of selfpage-policyserver. */
#ifndef ENTITLEMENTS_ENTITLEMENTS_H
#define ENTITLEMENTS_ENTITLEMENTS_H

#include <selfpage/error.h>

#include "core/contracts/limit.h"

/* Read a file. *limitsp is for free(); NULL if there are none. Returns 0; -EINVAL: "FILE:LINE:
 * FIELD: what is wrong"; -ENOMEM, or what opening or reading failed with. */
int entitlements_load(const char *path, struct limit **limitsp, uint32_t *countp,
                      struct sp_error *error);

#endif

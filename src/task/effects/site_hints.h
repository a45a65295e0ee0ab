/* What SELFPAGE_HINTS says of instructions: a text, of which each line is
 *
 *     ahead PAGES STRIDE FILE+OFFSET
 *
 * When the instruction at OFFSET (0x...) of the program or library FILE, named without its directory, faults on
 * a page that is in swap, PAGES more are loaded in the same round trip, each STRIDE pages (not 0, may be negative)
 * after the one before. A line that begins with # is a comment. `selfpage faults --hints` writes such files; one
 * belongs to the build that it was made from. A line about an instruction that never faults does nothing. */
#ifndef TASK_EFFECTS_SITE_HINTS_H
#define TASK_EFFECTS_SITE_HINTS_H

#include <selfpage/error.h>

#include "shm/fault_table.h"

struct site_hints;

/* Read the file. 0; -EINVAL and an error that names the line; -ENOMEM; or what a system call says. */
int site_hints_read(struct site_hints **hintsp, const char *path, struct sp_error *error);

/* If there is a line about the site's instruction, which lies in this object, the site has it from now on. May be
 * called in a fault handler. */
void site_hints_apply(const struct site_hints *hints, const struct fault_object *object,
                      struct fault_site *site);

void site_hints_free(struct site_hints **hintsp);

#endif

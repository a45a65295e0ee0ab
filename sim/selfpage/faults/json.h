/* Tables of faults as JSON. */
#ifndef SELFPAGE_FAULTS_JSON_H
#define SELFPAGE_FAULTS_JSON_H

#include <jansson.h>

#include "selfpage/faults/lines.h"

/* One task, with all its lines and regions. The caller releases it; NULL: no memory. */
json_t *json_lines(const struct faults_lines *lines);

#endif

/* All that is counted, in one place. */
#ifndef FILESERVER_COUNTING_H
#define FILESERVER_COUNTING_H

#include "service.h"

/* Bring what the cache and the server count into service->counters. */
void counting_gather(struct service *service);

#endif

#include "counting.h"

#include "base/assert.h"

void counting_gather(struct service *service)
{
    struct fileserver_counters *counters = &service->counters;

    counters->hits = service->cache.hits;
    counters->recovered = service->cache.recovered;
    counters->misses = service->cache.misses;
    counters->cached = cache_pages(&service->cache);
    counters->messages = service->server.counters.messages;
    counters->violations = service->server.counters.violations;
    check(counters->recovered <= counters->hits);
}

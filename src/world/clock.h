/* Time in the world: nanoseconds since the world began. It passes only when somebody says that it
 * does. */
#ifndef WORLD_CLOCK_H
#define WORLD_CLOCK_H

#include <stdint.h>

#define MS     UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)

#endif

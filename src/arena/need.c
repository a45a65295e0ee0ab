#include "arena/need.h"

#define MS UINT64_C(1000000)

struct need need_begin(uint64_t seed)
{
    return (struct need){.random = random_seeded(seed)};
}

/* Half of the time little more or less than what is guaranteed, half of it several times as much:
 * a quarter more than there is, all in all. */
uint32_t need_at(struct need *need, uint64_t now)
{
    while (now >= need->until) {
        bool much = random_below(&need->random, 2) == 1;

        need->frames =
            much ? 250 + random_below(&need->random, 300) : 40 + random_below(&need->random, 120);
        need->until += (1000 + random_below(&need->random, 5000)) * MS;
    }
    return need->frames;
}

#include "awake.h"

#include "base/assert.h"
#include "base/least.h"

#define FAILED_MOST 6u

#define LOST_MANY 1024u
#define LOST_MOST 4u
#define CALM_MANY 4096u

/* Whether not to stay awake this time. */
static bool skips(struct awake_doubt *doubt)
{
    check(doubt->failed <= FAILED_MOST);
    if (doubt->skip == 0)
        return false;
    doubt->skip--;
    return true;
}

static void was_in_vain(struct awake_doubt *doubt)
{
    check(doubt->skip == 0 && doubt->failed <= FAILED_MOST);
    doubt->skip = UINT32_C(2) << doubt->failed;
    doubt->failed = least_of(doubt->failed + 1, FAILED_MOST);
}

static void sleep_now(struct awake *awake)
{
    check(awake_is(awake));
    awake->until_ns = 0;
    awake->ended = false;
}

void awake_begin(struct awake *awake, uint64_t now)
{
    check(now > 0);
    if (awake->ended)
        awake->next.failed = 0;
    awake->ended = false;
    if (!awake_is(awake)) {
        if (skips(&awake->read))
            return;
        awake->looked_ns = now;
    }
    awake->until_ns = now + AWAKE_READ_NS;
}

bool awake_would(struct awake *awake)
{
    check(awake->lost <= LOST_MOST);
    return awake_is(awake) || !skips(&awake->read);
}

void awake_end(struct awake *awake, uint64_t now)
{
    if (!awake_is(awake))
        return;
    check(now >= awake->looked_ns);
    awake->read.failed = 0;
    if (++awake->calm > CALM_MANY)
        awake->lost = 0;
    if (skips(&awake->next)) {
        sleep_now(awake);
        return;
    }
    awake->ended = true;
    awake->until_ns = now + AWAKE_NEXT_NS;
}

bool awake_look(struct awake *awake, uint64_t now)
{
    uint64_t gap = now - awake->looked_ns;

    if (!awake_is(awake))
        return false;
    awake->looked_ns = now;
    if (gap >= AWAKE_LOST_NS) {
        check(awake->lost <= LOST_MOST);
        awake->read.skip = awake->next.skip = LOST_MANY << awake->lost;
        awake->lost = least_of(awake->lost + 1, LOST_MOST);
        awake->calm = 0;
        sleep_now(awake);
        return false;
    }
    if (now < awake->until_ns)
        return true;
    was_in_vain(awake->ended ? &awake->next : &awake->read);
    sleep_now(awake);
    return false;
}

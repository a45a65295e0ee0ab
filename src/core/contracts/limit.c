#include "core/contracts/limit.h"

#include <string.h>

#include "base/assert.h"

static bool covers(const struct limit *limit, uint32_t uid, const char *name)
{
    check(limit->whom < LIMIT_WHOMS);
    return ((limit->whom & LIMIT_USER) == 0 || limit->uid == uid) &&
           ((limit->whom & LIMIT_NAME) == 0 ||
            strncmp(limit->name, name, sizeof(limit->name)) == 0);
}

static void say(uint32_t *field, uint32_t value)
{
    if (value != LIMIT_NONE)
        *field = value;
}

static void say_bandwidth(struct limits_found *found, const struct limit *limit)
{
    check(limit->rate > 0 || !limit->beyond);
    if ((limit->shares | limit->rate) == 0)
        return;
    found->shares = limit->shares;
    found->rate = limit->rate;
    found->beyond = limit->beyond;
}

struct limits_found limit_find(const struct limit *limits, uint32_t count, uint32_t uid,
                               const char name[SP_NAME_MAX])
{
    struct limits_found found = {.guaranteed = LIMIT_NONE,
                                 .extra = LIMIT_NONE,
                                 .user_guaranteed = LIMIT_NONE,
                                 .user_extra = LIMIT_NONE,
                                 .slots = LIMIT_NONE,
                                 .user_slots = LIMIT_NONE};

    ensure(count <= LIMITS_MAX);
    /* From the widest to the narrowest. */
    for (unsigned whom = 0; whom < LIMIT_WHOMS; whom++) {
        bool user = whom == LIMIT_USER;

        for (uint32_t i = 0; i < count; i++) {
            if (limits[i].whom != whom || !covers(&limits[i], uid, name))
                continue;
            say(user ? &found.user_guaranteed : &found.guaranteed, limits[i].guaranteed);
            say(user ? &found.user_extra : &found.extra, limits[i].extra);
            say(&found.weight, limits[i].weight);
            say(&found.priority, limits[i].priority);
            say(user ? &found.user_slots : &found.slots, limits[i].slots);
            say_bandwidth(&found, &limits[i]);
        }
    }
    return found;
}

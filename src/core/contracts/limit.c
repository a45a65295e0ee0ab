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

static void say_bandwidth(struct limits_swap *found, const struct limit *limit)
{
    check(limit->rate > 0 || !limit->beyond);
    if ((limit->shares | limit->rate) == 0)
        return;
    found->shares = limit->shares;
    found->rate = limit->rate;
    found->beyond = limit->beyond;
}

static void say_frames(struct limits_found *found, const struct limit *limit)
{
    bool user = limit->whom == LIMIT_USER;

    say(user ? &found->user_guaranteed : &found->guaranteed, limit->guaranteed);
    say(user ? &found->user_extra : &found->extra, limit->extra);
    say(&found->weight, limit->weight);
    say(&found->priority, limit->priority);
}

static void say_swap(struct limits_swap *found, const struct limit *limit)
{
    say(limit->whom == LIMIT_USER ? &found->user_slots : &found->slots, limit->slots);
    say_bandwidth(found, limit);
}

/* One of both may be NULL. */
static void find(const struct limit *limits, uint32_t count, uint32_t uid, const char *name,
                 struct limits_found *frames, struct limits_swap *swap)
{
    ensure(count <= LIMITS_MAX);
    /* From the widest to the narrowest. */
    for (unsigned whom = 0; whom < LIMIT_WHOMS; whom++) {
        for (uint32_t i = 0; i < count; i++) {
            if (limits[i].whom != whom || !covers(&limits[i], uid, name))
                continue;
            if (frames != NULL)
                say_frames(frames, &limits[i]);
            if (swap != NULL)
                say_swap(swap, &limits[i]);
        }
    }
}

struct limits_found limit_find(const struct limit *limits, uint32_t count, uint32_t uid,
                               const char name[SP_NAME_MAX])
{
    struct limits_found found = {.guaranteed = LIMIT_NONE,
                                 .extra = LIMIT_NONE,
                                 .user_guaranteed = LIMIT_NONE,
                                 .user_extra = LIMIT_NONE};

    find(limits, count, uid, name, &found, NULL);
    return found;
}

struct limits_swap limit_find_swap(const struct limit *limits, uint32_t count, uint32_t uid,
                                   const char name[SP_NAME_MAX])
{
    struct limits_swap found = {.slots = LIMIT_NONE, .user_slots = LIMIT_NONE};

    find(limits, count, uid, name, NULL, &found);
    return found;
}

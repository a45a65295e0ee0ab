#include "play/digest.h"

static void mix(struct play *play, uint64_t value)
{
    play->hash = (play->hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    play->hash ^= play->hash >> 29;
}

void digest_event(struct play *play, const struct queue_entry *entry, const struct actor *actor,
                  const struct scene_lessee *lessee)
{
    if (lessee != NULL) {
        mix(play, (uint64_t)lessee->questions << 32 | lessee->machine.book.stock_count);
        mix(play, (uint64_t)lessee->news << 32 | lessee->tenancy.promised);
    }
    mix(play, play->scene.now);
    mix(play, (uint64_t)entry->kind << 32 | entry->to);
    mix(play, actor->stats.faults << 32 ^ actor->stats.evictions);
    mix(play, (uint64_t)actor->stats.held << 32 | actor->state);
    mix(play, actor->walk.pages.state);
}

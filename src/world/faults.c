#include "world/faults.h"

#include <stdbool.h>

static void *faults_resize(void *context, void *block, size_t old_size, size_t new_size)
{
    struct faults_memory *memory = context;
    void *resized;

    if (new_size > old_size) {
        memory->calls++;
        if (memory->fail_after == 0)
            return NULL;
        if (memory->fail_after != UINT64_MAX)
            memory->fail_after--;
    }
    resized = memory->inner->resize(memory->inner->context, block, old_size, new_size);
    if (resized != NULL || new_size == 0)
        memory->bytes += new_size - old_size;
    return resized;
}

void faults_memory_init(struct faults_memory *memory, const struct allocator *inner)
{
    *memory = (struct faults_memory){
        .allocator = {.resize = faults_resize, .context = memory},
        .inner = inner,
        .fail_after = UINT64_MAX,
    };
}

/* One moment in so many, for half of the seeds. */
static uint32_t draw_rate(struct random_source *random)
{
    uint32_t rate = UINT32_C(64) << random_below(random, 7);

    return random_below(random, 2) == 0 ? rate : 0;
}

struct faults faults_swarm(uint64_t seed, uint64_t longest_ns)
{
    struct faults faults = {.random = random_seeded(seed), .longest_ns = longest_ns};

    faults.delay_in = draw_rate(&faults.random);
    faults.drop_in = draw_rate(&faults.random);
    faults.hang_in = draw_rate(&faults.random);
    faults.die_in = draw_rate(&faults.random);
    return faults;
}

static bool strikes(struct faults *faults, uint32_t one_in)
{
    return one_in > 0 && random_below(&faults->random, one_in) == 0;
}

enum world_fault faults_draw(struct faults *faults, uint64_t *nsp)
{
    *nsp = 0;
    if (strikes(faults, faults->die_in))
        return FAULT_DIE;
    if (strikes(faults, faults->drop_in))
        return FAULT_DROP;
    *nsp = (uint64_t)(random_unit(&faults->random) * (double)faults->longest_ns);
    if (strikes(faults, faults->hang_in))
        return FAULT_HANG;
    return strikes(faults, faults->delay_in) ? FAULT_DELAY : FAULT_NONE;
}

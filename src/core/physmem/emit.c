#include "core/physmem/emit.h"

/* All zeros. An assignment of it takes fewer instructions than a loop that writes zeros. */
static const struct physmem_effect none;

struct physmem_effect *emit_effect(struct physmem *physmem, enum physmem_effect_kind kind,
                                   struct physmem_task *task)
{
    struct physmem_effect *effect = &physmem->lost;

    check(physmem->effect_next <= physmem->effects);
    if (memory_reserve(physmem->allocator, &physmem->effect, &physmem->effect_capacity,
                       sizeof(*effect), physmem->effects + 1) == 0)
        effect = &physmem->effect[physmem->effects++];
    else
        physmem->failed = true;
    *effect = none;
    effect->kind = kind;
    effect->task = task;
    return effect;
}

struct physmem_effect *emit_reply(struct physmem *physmem, enum physmem_effect_kind kind,
                                  const struct physmem_request *request, int error,
                                  const char *text)
{
    struct physmem_effect *effect = emit_effect(physmem, kind, request->task);

    check(error >= 0);
    effect->seq = request->seq;
    effect->control = request->control;
    effect->error = (uint32_t)error;
    effect->text = text;
    return effect;
}

void emit_done(struct physmem *physmem, const struct physmem_request *request, int error,
               uint32_t count, const char *text)
{
    check((error != 0) == (text != NULL));
    emit_reply(physmem, PHYSMEM_REPLY_DONE, request, error, text)->count = count;
}

/* Effects and replies go out here. */
#ifndef CORE_PHYSMEM_EMIT_H
#define CORE_PHYSMEM_EMIT_H

#include "core/physmem/state.h"

/* A new effect to fill in, all zeros but for kind and task. Valid until the next one. Without memory
 * physmem has failed, and what is written is lost. */
struct physmem_effect *emit_effect(struct physmem *physmem, enum physmem_effect_kind kind,
                                   struct physmem_task *task);

/* A reply to fill in; `error` is 0 or a positive errno value, `text` static or NULL. */
struct physmem_effect *emit_reply(struct physmem *physmem, enum physmem_effect_kind kind,
                                  const struct physmem_request *request, int error,
                                  const char *text);

/* A complete reply: done, or refused. */
void emit_done(struct physmem *physmem, const struct physmem_request *request, int error,
               uint32_t count, const char *text);

#endif

/* A physmem that is itself a task of another one, the physmem above: it re-lets the frames that it is
 * granted there to its own tasks. The rule, for the shell that has the connection.
 *
 *     frames in the pool         == those held above
 *     frames that are promised   <= those that contracts above promise (extra frames from above are
 *                                   lent on, and never promised), and not for longer
 *     a recall from above        first takes what is free; tasks are recalled from for the rest, as
 *                                   for a request within a guarantee
 *
 * IN TIME. Of the grace that the physmem above gives, tasks get three quarters at most
 * (physmem_upstream_grace: max_grace_ns and silence_ns of the configuration must not be more). What
 * has not come back when seven eighths are over is taken by force: tasks that owe frames are revoked, first those that
 * are late, whatever their contracts say of breaches, for otherwise all would be. Their excess is always enough:
 * the physmem above recalls no more than what it does not promise, and of that nothing is promised
 * below. Each level thus has an eighth of its grace to return what it got back.
 *
 * A task that has PHYSMEM_RECALLS_MAX recalls open is not made to wait for one of these to end, as it is elsewhere: what
 * the physmem above wants is added to the recall of the same kind that is due last, which then has its whole grace again.
 *
 * The shell carries out PHYSMEM_UPSTREAM_ASK and .._RETURN. Before it lets tasks come it
 * tells what contracts above promise, and waits for the frames that are asked for then. */
#ifndef CORE_PHYSMEM_UPSTREAM_H
#define CORE_PHYSMEM_UPSTREAM_H

#include <stdint.h>

struct physmem;

/* The longest grace for tasks below a physmem that gets `grace_ns` from above. */
uint64_t physmem_upstream_grace(uint64_t grace_ns);

/* Contracts above promise `frames` frames now, until `ends` (DEADLINE_NEVER). If that is less than
 * what was promised here, contracts end, the last ones first. */
void physmem_upstream_promised(struct physmem *physmem, uint64_t now, uint32_t frames,
                               uint64_t ends);

/* The answer to PHYSMEM_UPSTREAM_ASK: so many frames are held above now in addition. Fewer than were
 * asked for: there are no more, until physmem_upstream_available. */
void physmem_upstream_granted(struct physmem *physmem, uint64_t now, uint32_t frames);

/* There may be extra frames above again. */
void physmem_upstream_available(struct physmem *physmem, uint64_t now);

/* The physmem above recalls frames, to be back in `grace_ns`. PHYSMEM_UPSTREAM_RETURN follows, once or
 * several times. */
void physmem_upstream_recalled(struct physmem *physmem, uint64_t now, uint32_t frames,
                               uint64_t grace_ns);

/* The physmem above asks for the rights to pages of an extent (a handle, as in effects) back, and wants an
 * answer in `grace_ns`. Tasks that have mapped them are asked, and have three quarters of that. Returns how
 * many questions that makes; PHYSMEM_UPSTREAM_UNMAPPED with this token, which is not 0, follows for each,
 * also if the task loses everything instead. Mappings of tasks that cannot be asked now (one whose
 * control connection is gone, or that has as many questions to answer as there may be) stay. */
uint32_t physmem_upstream_unmap(struct physmem *physmem, uint64_t now, uint32_t extent,
                                uint32_t page, uint32_t count, uint64_t grace_ns, uint32_t token);

/* The physmem above has taken frames that were not returned. PHYSMEM_UPSTREAM_RETURN follows for these,
 * too, as soon as tasks have given up as many. */
void physmem_upstream_taken(struct physmem *physmem, uint64_t now, uint32_t frames);

/* The physmem above has taken the memory of this extent (a handle, as in effects). Tasks that have
 * pages there lose everything, or just these pages if that is all that a breach costs them. Nothing happens if the extent is gone already. */
void physmem_upstream_lost(struct physmem *physmem, uint64_t now, uint32_t extent);

/* The physmem above has revoked everything, or is gone. All tasks are revoked. */
void physmem_upstream_gone(struct physmem *physmem, uint64_t now);

/* For physmem.c: the deadline. Returns 0 or -ENOMEM. */
int upstream_start(struct physmem *physmem);
void upstream_end(struct physmem *physmem);

/* The same: time is up for what the physmem above has recalled. */
void upstream_due(struct physmem *physmem);

#endif

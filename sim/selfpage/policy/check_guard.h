/* Inside a process that exists to check a policy: guarded memory, and what to do when it is not
 * respected. */
#ifndef SELFPAGE_POLICY_CHECK_GUARD_H
#define SELFPAGE_POLICY_CHECK_GUARD_H

#include <stdbool.h>
#include <stddef.h>

#include "check/check.h"

/* Whether this program is built with a sanitizer, which makes system calls of its own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CHECK_GUARD_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CHECK_GUARD_SANITIZED true
#endif
#endif
#ifndef CHECK_GUARD_SANITIZED
#define CHECK_GUARD_SANITIZED false
#endif

/* State of a policy between pages that cannot be touched. */
struct guarded {
    unsigned char *self; /* zeros, 64-byte aligned */
    size_t size;
    unsigned char *mapping;
    size_t mapping_size, inner_size;
};

/* Make one; `at_end`: its end, rather than its beginning, lies at the guard. False: no memory. */
bool check_guard_init(struct guarded *guarded, size_t size, bool at_end);
/* Take note if bytes between the state and the guard were written. */
void check_guard_check(const struct guarded *guarded, struct check_log *log);
void check_guard_fini(struct guarded *guarded);

/* From now on, a signal that a crash, a forbidden system call or a clock causes is noted in `log`,
 * in words, and ends the process with status 0. Guards are known by `guarded`, which may be
 * refilled. False: it cannot be done. */
bool check_guard_signals(struct check_log *log, const struct guarded *guarded, size_t count);

/* From now on, system calls but those that end the process, and reading the time stamp counter or
 * what the kernel shows of the time, come as signals. False: this kernel cannot do it. */
bool check_guard_system_calls(void);

/* A stack of its own for calls of the policy; see struct check_setup.invoke. */
struct side_stack;
struct side_stack *check_guard_stack_new(struct check_log *log);
void check_guard_invoke(void *side_stack, void (*work)(void *), void *argument);

#endif

/* The eviction policies that come with Selfpage.
 *
 * HOW DO I ADD A POLICY? One file in this folder that defines `const struct sp_policy policy_NAME`
 * (include/selfpage/policy.h tells the whole story; fifo.c is the shortest), and its line below. Then
 * `SELFPAGE_REGENERATE=1 tests/test_policy_live_distance` in the build directory writes its rows into
 * README.md; that test fails without them, and if the policy runs live and is far from its replay. */
#ifndef POLICY_REGISTRY_H
#define POLICY_REGISTRY_H

#include <selfpage/policy.h>

/* X(NAME), where '-' in a name is '_': in the order in which users see them. */
/* clang-format off */
#define POLICY_BUILTINS(X) \
    X(fifo)            \
    X(lru)             \
    X(mru)             \
    X(random)          \
    X(random_two)      \
    X(clock)           \
    X(gclock)          \
    X(nru)             \
    X(linux)           \
    X(mglru)           \
    X(wsclock)         \
    X(ws)              \
    X(pff)             \
    X(2q)              \
    X(arc)             \
    X(car)             \
    X(cart)            \
    X(clockpro)        \
    X(clockproplus)    \
    X(lirs)            \
    X(dlirs)           \
    X(lirs2)           \
    X(frd)             \
    X(lfu)             \
    X(lfuda)           \
    X(lru_k)           \
    X(slru)            \
    X(mq)              \
    X(s3fifo)          \
    X(s4fifo)          \
    X(clock2qplus)     \
    X(sieve)           \
    X(wtinylfu)        \
    X(lecar)           \
    X(cacheus)         \
    X(hyperbolic)      \
    X(lhd)             \
    X(belady)
/* clang-format on */

#define POLICY_DECLARE(name) extern const struct sp_policy policy_##name;
POLICY_BUILTINS(POLICY_DECLARE)
#undef POLICY_DECLARE

/* What victim, remove (SP_EVICTED) and insert of the same number come to, in one call: the page that `self` names leaves, and
 * one comes in its place. Only where every reference is a hit. */
typedef sp_page policy_turn(void *self);

policy_turn fifo_turn, lru_turn, clock_turn, lfu_turn, sieve_turn;

/* That of a built-in policy; NULL if it has none. */
policy_turn *policy_registry_turn(const struct sp_policy *policy);

/* The i-th built-in policy, or NULL past the last. */
const struct sp_policy *policy_registry_builtin(size_t i);

/* The built-in policy whose name is the first `length` bytes of `name`, or NULL. */
const struct sp_policy *policy_registry_find(const char *name, size_t length);

#endif

/* The kinds of generators, in the order in which users see them.
 *
 * HOW DO I ADD A KIND? Write src/generator/kind_NAME.c, which defines the constant struct generator_kind
 * `generator_NAME` (kind_loop.c is the shortest example), and add the line X(NAME) below. Its first
 * parameters are GENERATOR_COMMON. The messages, the help of `selfpage generate` and the test
 * generator_kinds follow from these two. */
#ifndef GENERATOR_KINDS_H
#define GENERATOR_KINDS_H

#include "generator/generator.h"

/* clang-format off */
#define GENERATOR_KINDS(X) \
    X(zipf)   \
    X(hotset) \
    X(loop)   \
    X(zigzag) \
    X(scan)   \
    X(phases)
/* clang-format on */

/* The parameters that every kind begins with. */
enum {
    GENERATOR_WRITES,
    GENERATOR_WEIGHT,
    GENERATOR_BURST,
    GENERATOR_PAGES,
    GENERATOR_OWN, /* the first of the kind's own */
};

#define GENERATOR_COMMON(pages_help)                                                               \
    [GENERATOR_WRITES] = {"writes", 0, 0, 1, "share of the references that write"},                \
    [GENERATOR_WEIGHT] = {"weight", 1, 0.000001, 1e6,                                              \
                          "in a mix: bursts, in proportion to others"},                            \
    [GENERATOR_BURST] = {"burst", 100, 1, 1e9,                                                     \
                         "in a mix: references in a row, on average (1 to twice as many)"},        \
    [GENERATOR_PAGES] = {"pages", 100000, 1, 4294967294.0, pages_help}

struct generator_kind {
    const char *name;
    const char *summary;
    const struct sp_policy_param *params;
    /* Set up generator->state, which is zeros; NULL: nothing. */
    void (*begin)(struct generator *generator);
    /* The page of the reference with the number generator->made. */
    uint64_t (*page)(struct generator *generator);
};

#define KIND(name) extern const struct generator_kind generator_##name;
GENERATOR_KINDS(KIND)
#undef KIND

#endif

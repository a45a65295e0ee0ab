/* Generators: references without end, drawn by a rule from a seed. The same text and seed give the same
 * references on every machine whose libm rounds the same way.
 *
 * A generator is written KIND or KIND:PARAM=VALUE,...: `zipf:pages=1000000,exponent=0.9,writes=0.2`.
 * kinds.h lists the kinds, and each file kind_NAME.c says what its kind does.
 *
 * Nothing here allocates: a generator is a struct of fixed size, and a copy of it goes on where the
 * original was. */
#ifndef GENERATOR_GENERATOR_H
#define GENERATOR_GENERATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <selfpage/error.h>
#include <selfpage/policy.h>

#include "base/params.h"
#include "base/random.h"

/* Bytes of private state of a kind. */
#define GENERATOR_STATE 128u

struct generator_kind;

struct generated_reference {
    uint64_t page; /* from 0; below the kind's `pages`, but where the kind goes on to new ones */
    bool write;
};

struct generator {
    const struct generator_kind *kind;
    double values[PARAMS_MAX]; /* of its parameters */
    uint64_t made;             /* references so far */
    struct random_source pages, writes;
    _Alignas(8) unsigned char state[GENERATOR_STATE];
};

/* Begin the generator that `text` describes. -ENOENT: no such kind, or parameter; -EINVAL: malformed;
 * -ERANGE: a value out of its limits. */
int generator_init(struct generator *generator, const char *text, uint64_t seed,
                   struct sp_error *error);

/* The next reference. */
struct generated_reference generator_next(struct generator *generator);

/* The i-th kind: its name, what it does, and its parameters. NULL past the last. */
const char *generator_kind_name(size_t i, const char **summary,
                                const struct sp_policy_param **params);

#endif

/* Contracts as people write them: "guaranteed=256,term=10s;extra=64,drop=200ms". */
#ifndef CORE_CONTRACTS_TERMS_TEXT_H
#define CORE_CONTRACTS_TERMS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <selfpage/contract.h>
#include <selfpage/error.h>

/* Contracts that one text may hold, and one task may have. */
#define TERMS_MAX 8u

/* One contract of a text: terms to propose, or a part to claim. */
struct wanted_contract {
    uint64_t token;        /* of the part to claim; 0: none, propose `terms` */
    struct sp_terms terms; /* all zeros for a part */
    bool says_breach;      /* the text says what a breach costs */
};

/* Parse `text` (syntax: sp_attach_options.contract) into at most TERMS_MAX contracts. What the text
 * leaves out: min equals frames, the term is forever, grace is the default, the rest is zero.
 * Returns the number of contracts, at least 1, or -EINVAL; `error` (may be NULL) then names the word
 * that is wrong and what it should be. */
int terms_text_parse(const char *text, struct wanted_contract wanted[TERMS_MAX],
                     struct sp_error *error);

/* Parse a time, a whole number with ns, us, ms, s, m or h ("1500ms"), or "forever" (SP_FOREVER).
 * Returns 0, or -EINVAL for anything else and for what does not fit. */
int terms_text_time(const char *text, size_t length, uint64_t *nsp);

/* The words for kinds of contract: "guaranteed", "extra", "timed"; "?" for others. Static. */
const char *terms_text_kind(unsigned kind);

#endif

/* What `selfpage replay` prints. */
#ifndef SELFPAGE_REPLAY_REPORT_H
#define SELFPAGE_REPLAY_REPORT_H

#include <stdio.h>

#include "selfpage/replay/replay.h"

/* Fields of a result that have numbers, for --json, --csv and --assert: X(name, value), where `r`
 * is the result. */
#define REPLAY_FIELDS(X)                                                                           \
    X(frames, r->frames)                                                                           \
    X(references, r->counts.references)                                                            \
    X(misses, r->counts.misses)                                                                    \
    X(miss_ratio, report_miss_ratio(r))                                                            \
    X(evictions, r->counts.evictions)                                                              \
    X(dirty_evictions, r->counts.dirty_evictions)                                                  \
    X(references_per_second, report_rate(r))                                                       \
    X(reads, r->counts.references - r->counts.writes)                                              \
    X(writes, r->counts.writes)                                                                    \
    X(pages, r->pages)                                                                             \
    X(policy_errors, r->counts.policy_errors)                                                      \
    X(bytes, r->bytes)                                                                             \
    X(missed_bytes, r->counts.missed_bytes)                                                        \
    X(byte_miss_ratio, report_byte_miss_ratio(r))

/* Misses by references; 0 without references. */
double report_miss_ratio(const struct replay_result *result);

/* The same by bytes; 0 where the trace tells no sizes. */
double report_byte_miss_ratio(const struct replay_result *result);

/* References a second of processor time, as if the policy had been alone; 0 if that is not known.
 */
double report_rate(const struct replay_result *result);

/* Each writes everything to `out`; 0, -EIO or -ENOMEM. */
int replay_report_table(FILE *out, const struct replay_results *results);
int replay_report_csv(FILE *out, const struct replay_results *results);
int replay_report_json(FILE *out, const struct replay_results *results);

/* A text as a field of a csv line: a label may have commas, and, from a file's name, quotes. */
void report_csv_text(FILE *out, const char *text);

/* Print commands that together do what the options say, one for each policy and size. */
int replay_report_jobs(FILE *out, const struct replay_options *options);

/* Judge every assertion, and print each that fails to `out`. Returns how many failed, or -EINVAL if
 * one makes no sense. */
int replay_assert_judge(FILE *out, const struct replay_options *options,
                        const struct replay_results *results, struct sp_error *error);

#endif

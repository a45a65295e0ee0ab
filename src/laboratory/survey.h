/* What every run over a trace begins with: its options, its pages numbered, its future. */
#ifndef LABORATORY_SURVEY_H
#define LABORATORY_SURVEY_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/replay.h>

#include "laboratory/choices.h"
#include "laboratory/opened.h"
#include "replay/pass.h"

/* Threads that a run may use. */
#define SURVEY_THREADS_MOST 1024u

struct survey {
    const struct sp_replay_options *options;
    struct sp_trace *opened;
    struct choices choices;
    struct page_table table;
    struct future future;
    struct pass pass;
    enum sp_replay_phase phase;
    bool wants_future;
    int cancelled; /* what the caller's progress said, if it was an error */
};

/* Check the options, find the policies, and put the trace to its beginning. Release with
 * survey_fini in any case. */
int survey_init(struct survey *survey, struct sp_trace *opened,
                const struct sp_replay_options *options, struct sp_error *error);

void survey_fini(struct survey *survey);

/* Number pages from here on; with `wants_future`, tell of next references, which the trace carries if
 * `carried`. */
int survey_prepare(struct survey *survey, bool wants_future, bool carried, struct sp_error *error);

/* One pass to number the pages, and to see the future where the trace does not carry it; then the trace
 * is at its beginning again. */
int survey_scan(struct survey *survey, struct sp_error *error);

/* The pass that the jobs see. */
int survey_run(struct survey *survey, struct pool_job *jobs, size_t count, struct sp_error *error);

/* Undo survey_prepare. */
void survey_forget(struct survey *survey);

/* Tell the caller something. */
void survey_note(const struct survey *survey, const char *text);

/* Frames of a size, for a trace of `pages` pages. */
uint32_t survey_frames(const struct sp_replay_size *size, uint64_t pages);

/* The most different pages that there can be. */
uint32_t survey_pages_most(const struct survey *survey);

#endif

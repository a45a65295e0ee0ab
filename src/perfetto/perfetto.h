/* A file for ui.perfetto.dev and trace_processor: tracks with slices, instants and arrows between them, and
 * counters (Perfetto's TrackEvent protobuf).
 *
 *     perfetto_open(&file, path, &error)
 *     track = perfetto_process(&file, "sorter", pid)
 *     held = perfetto_counter(&file, track, "held")
 *     perfetto_begin(&file, ns, track, "runs"), perfetto_count(&file, ns, held, 12), perfetto_end(...)
 *     perfetto_finish(&file, &error)
 *     perfetto_fini(&file)                      // in any case
 *
 * Times are nanoseconds since whatever moment, and may come in any order, but those of the slices of one
 * track. What fails meanwhile, perfetto_finish tells. */
#ifndef PERFETTO_PERFETTO_H
#define PERFETTO_PERFETTO_H

#include <stdint.h>
#include <stdio.h>

#include <selfpage/error.h>

#include "os/new_file.h"

struct perfetto {
    struct new_file file;
    FILE *out;        /* NULL: not open, and all but perfetto_open does nothing */
    const char *path; /* not copied */
    uint64_t tracks;  /* so far */
    int failure;      /* the first negative errno; 0: none */
};

/* Begin a file, which has its name once it is finished. Same returns as new_file_open. */
int perfetto_open(struct perfetto *perfetto, const char *path, struct sp_error *error);

/* A track for a process; its number is for the other functions. */
uint64_t perfetto_process(struct perfetto *perfetto, const char *name, int pid);

/* A counter that is shown below a track. */
uint64_t perfetto_counter(struct perfetto *perfetto, uint64_t parent, const char *name);

/* A slice of a track begins; the one that began last ends. */
void perfetto_begin(struct perfetto *perfetto, uint64_t ns, uint64_t track, const char *name);
void perfetto_end(struct perfetto *perfetto, uint64_t ns, uint64_t track);

/* Where an arrow is at an instant. */
enum perfetto_flow { PERFETTO_NO_FLOW, PERFETTO_FLOW_BEGINS, PERFETTO_FLOW_ENDS };

/* Something happened. `flow` is the number of the arrow that begins or ends here. */
void perfetto_instant(struct perfetto *perfetto, uint64_t ns, uint64_t track, const char *name,
                      enum perfetto_flow how, uint64_t flow);

/* A counter has this value from now on. */
void perfetto_count(struct perfetto *perfetto, uint64_t ns, uint64_t counter, uint64_t value);

/* All is written. Returns 0, or a negative errno with a text. */
int perfetto_finish(struct perfetto *perfetto, struct sp_error *error);

/* Close it. Without perfetto_finish nothing is left of it. A perfetto of zeros may be closed, too. */
void perfetto_fini(struct perfetto *perfetto);

#endif

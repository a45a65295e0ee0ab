/* What a native trace holds beyond references: the events of a live task (record/recorder.h). */
#ifndef TRACE_FORMAT_NATIVE_H
#define TRACE_FORMAT_NATIVE_H

#include "trace/trace.h"

#define NATIVE_POLICY_MOST 4096u /* bytes of the name of a policy */

struct native_events {
    bool present;
    uint32_t pages;                      /* there can be */
    char policy[NATIVE_POLICY_MOST + 1]; /* as the task's user named it */
};

/* What the header says about events; NULL: the trace is of references, or of another format. It
 * lives as long as the trace is open and not rewound. */
const struct native_events *format_native_events(const struct trace *trace);

/* From now on trace_read gives every event of a trace that has some, as an id, and not only the
 * references among them. Before anything is read; a rewind takes it back. */
void format_native_want_events(struct trace *trace);

#endif

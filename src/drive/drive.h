/* Workloads that are driven by traces: the references of a file, in any format of src/trace, one by one. What a live
 * task has recorded (SELFPAGE_TRACE) is such a trace, too: of its faults and soft faults. */
#ifndef DRIVE_DRIVE_H
#define DRIVE_DRIVE_H

#include <selfpage/error.h>

#include "workload/walk.h"

/* Read the traces of all phases that name one into the tables; walk_tables_fini frees them. Pages are numbered as they
 * appear, from the phase's first page on; a phase that says nothing of references makes those of the trace once.
 * A phase without pages, and a workload without, get as many as its largest trace has.
 * Returns 0 or a negative errno and an error: -EINVAL (the trace is empty, or has more pages than the phase, or more
 * than 2^28 references), -ENOMEM, or what opening and reading return. */
int drive_traces(struct walk_tables *tables, struct sp_error *error);

/* Note how large the files are that phases read; `root` is the directory that the file server serves. Returns 0 or a
 * negative errno and an error: -EISDIR (it is no file), -EFBIG, or what stat(2) says. */
int drive_files(struct walk_tables *tables, const char *root, struct sp_error *error);

#endif

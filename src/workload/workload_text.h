/* Workloads as text: "pages=10000;zipf=1.0,writes=0.2,references=50000;idle=2s". The first part is about
 * the whole, each other part is a phase; a part is KEY=VALUE, separated by commas. */
#ifndef WORKLOAD_WORKLOAD_TEXT_H
#define WORKLOAD_WORKLOAD_TEXT_H

#include <selfpage/error.h>

#include "workload/workload.h"

/* Read a workload. What the text leaves out: kind precious, one round, a phase's pages are all, its
 * writes none, and its references ten times its pages (loop, markov: of its set; scan, trace: once). Where all phases
 * are traces or idle, pages may be left out: they stay 0, for drive_traces to find. Returns 0, or
 * -EINVAL with an error that says what is wrong and what it should be. */
int workload_text_parse(struct workload *workload, const char *text, struct sp_error *error);

#endif

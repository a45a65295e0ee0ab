/* What a server says on standard error: one line for an event, limited by cause, so that a flood of
 * bad connections can fill neither a terminal nor a disk. */
#ifndef IO_LOG_H
#define IO_LOG_H

#include <stdint.h>

#include <selfpage/error.h>

#define LOG_CAUSES  16u
#define LOG_BURST   10u         /* lines of one cause that may come at once */
#define LOG_REST_NS 1000000000u /* one further line of a cause in this time */

struct log_cause {
    const char *name;    /* static text; NULL: free */
    uint64_t refill_ns;  /* when the next line was or will be earned */
    uint32_t lines;      /* that may still be written at once */
    uint32_t suppressed; /* not written since the last one that was */
};

struct log {
    const char *program; /* static text, stands before each line */
    int fd;              /* where lines go: 2 */
    struct log_cause causes[LOG_CAUSES];
};

/* A log of `program` on standard error. */
void log_init(struct log *log, const char *program);

/* Write "program: text\n" with one write, unless `cause` has used up its lines; the next line of
 * that cause then says how many were left out. `cause` is static text, few different ones.
 * Characters other than printable ASCII become '?'. Never waits for the reader: a line that a full
 * pipe or a stopped terminal does not take is left out and counted. */
void log_line(struct log *log, const char *cause, const char *format, ...) SP_PRINTF(3, 4);

/* The same for a line that nobody limits and nobody counts: what --verbose prints. */
void log_trace(struct log *log, const char *format, ...) SP_PRINTF(2, 3);

#endif

/* Whether a measurement had the machine to itself.
 *
 * Each process of the benchmark runs on one core. While it can run and does not, another process
 * has the core: one of the benchmark, as is meant, or a foreign one. What foreign processes took is
 * what those of the benchmark waited for the processor (the second field of /proc/PID/schedstat),
 * less what those of the benchmark ran meanwhile on the same core; and what the host of a virtual
 * machine took (steal, in /proc/stat). */
#ifndef SELFPAGE_BENCH_MACHINE_H
#define SELFPAGE_BENCH_MACHINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define MACHINE_PROCESSES 66u

/* More than this share of the time, taken by others: figures are not a measurement. */
#define MACHINE_TOLERABLE 0.05

/* One process, and what it had at two moments. */
struct machine_process {
    pid_t pid;
    int core;
    uint64_t ran_ns[2];
    uint64_t waited_ns[2];
};

struct machine {
    struct machine_process process[MACHINE_PROCESSES];
    unsigned processes;
    uint64_t at_ns[2];
    uint64_t stolen_ns[2];  /* from all cores of the benchmark */
    uint64_t pressed_ns[2]; /* /proc/pressure/cpu: any process waited, the benchmark included */
    unsigned readings;
    bool unknown; /* the kernel does not tell */
};

/* Pin the calling thread to a core; -1: leave it. Returns 0 or a negative errno. */
int machine_pin(int core);

/* Watch one more process. */
void machine_watch(struct machine *machine, pid_t pid, int core);

/* Take a reading: the first before the measurement, the second after it. Processes that have ended
 * count as they were. */
void machine_read(struct machine *machine);

/* Shares of the time between the readings: what foreign processes and the host took of the busiest
 * core of the benchmark; how long some process on the machine waited; and whether the first is
 * tolerable. */
double machine_taken(const struct machine *machine);
double machine_pressure(const struct machine *machine);
bool machine_was_ours(const struct machine *machine);

#endif

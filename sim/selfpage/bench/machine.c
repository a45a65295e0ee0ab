#include "selfpage/bench/machine.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/clock.h"

int machine_pin(int core)
{
    cpu_set_t set;

    if (core < 0)
        return 0;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    return sched_setaffinity(0, sizeof(set), &set) == 0 ? 0 : -errno;
}

void machine_watch(struct machine *machine, pid_t pid, int core)
{
    if (machine->processes < MACHINE_PROCESSES)
        machine->process[machine->processes++] = (struct machine_process){.pid = pid, .core = core};
}

static void read_process(struct machine *machine, struct machine_process *process, unsigned which)
{
    unsigned long long ran, waited;
    char path[64];
    FILE *file;

    process->ran_ns[which] = process->ran_ns[0];
    process->waited_ns[which] = process->waited_ns[0];
    snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)process->pid);
    file = fopen(path, "re");
    if (file == NULL) {
        machine->unknown = machine->unknown || which == 0;
        return;
    }
    if (fscanf(file, "%llu %llu", &ran, &waited) == 2) {
        process->ran_ns[which] = ran;
        process->waited_ns[which] = waited;
    } else {
        machine->unknown = true;
    }
    fclose(file);
}

static bool is_ours(const struct machine *machine, int core)
{
    for (unsigned i = 0; i < machine->processes; i++)
        if (machine->process[i].core == core)
            return true;
    return false;
}

/* Time that the host took from the cores of the benchmark. */
static uint64_t stolen(const struct machine *machine)
{
    unsigned long long ticks = 0, steal;
    FILE *file = fopen("/proc/stat", "re");
    char line[512];
    int core;

    if (file == NULL)
        return 0;
    while (fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "cpu%d %*u %*u %*u %*u %*u %*u %*u %llu", &core, &steal) == 2 &&
            is_ours(machine, core))
            ticks += steal;
    fclose(file);
    return ticks * CLOCK_NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
}

static uint64_t pressed(void)
{
    unsigned long long us = 0;
    FILE *file = fopen("/proc/pressure/cpu", "re");
    char line[256];

    if (file == NULL)
        return 0;
    while (fgets(line, sizeof(line), file) != NULL) {
        const char *total = strstr(line, "total=");

        if (strncmp(line, "some ", 5) == 0 && total != NULL)
            (void)!sscanf(total, "total=%llu", &us);
    }
    fclose(file);
    return us * 1000;
}

void machine_read(struct machine *machine)
{
    unsigned which = machine->readings > 0;

    machine->readings++;
    machine->at_ns[which] = clock_now_ns();
    machine->stolen_ns[which] = stolen(machine);
    machine->pressed_ns[which] = pressed();
    for (unsigned i = 0; i < machine->processes; i++)
        read_process(machine, &machine->process[i], which);
}

static double seconds(const struct machine *machine)
{
    return (double)(machine->at_ns[1] - machine->at_ns[0]) / 1e9;
}

/* How long a process waited while no other process of the benchmark ran on its core. */
static uint64_t foreign_wait(const struct machine *machine, unsigned i)
{
    const struct machine_process *process = &machine->process[i];
    uint64_t waited = process->waited_ns[1] - process->waited_ns[0];
    uint64_t ours = 0;

    for (unsigned j = 0; j < machine->processes; j++)
        if (j != i && machine->process[j].core == process->core)
            ours += machine->process[j].ran_ns[1] - machine->process[j].ran_ns[0];
    return waited > ours ? waited - ours : 0;
}

double machine_taken(const struct machine *machine)
{
    uint64_t most = 0;

    if (machine->readings < 2 || seconds(machine) <= 0)
        return 0;
    for (unsigned i = 0; i < machine->processes; i++) {
        uint64_t waited = foreign_wait(machine, i);

        most = waited > most ? waited : most;
    }
    most += machine->stolen_ns[1] - machine->stolen_ns[0];
    return (double)most / 1e9 / seconds(machine);
}

double machine_pressure(const struct machine *machine)
{
    if (machine->readings < 2 || seconds(machine) <= 0)
        return 0;
    return (double)(machine->pressed_ns[1] - machine->pressed_ns[0]) / 1e9 / seconds(machine);
}

bool machine_was_ours(const struct machine *machine)
{
    return !machine->unknown && machine_taken(machine) <= MACHINE_TOLERABLE;
}

/* Scenarios: what `selfpage run` should start, do and check. Read from YAML with libcyaml. */
#ifndef SELFPAGE_SCENARIO_SCENARIO_H
#define SELFPAGE_SCENARIO_SCENARIO_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/contract.h>
#include <selfpage/error.h>
#include <selfpage/task.h>

#include "launch/strings.h"
#include "yaml/load.h"

/* Limits of a scenario. */
#define SCENARIO_TASKS  1000u   /* entries of the list */
#define SCENARIO_COPIES 100000u /* tasks in all, with their copies */
#define SCENARIO_EVENTS 10000u

#define SCENARIO_STACKED_MAX 8 /* physmems beside the first */

/* Most unmaps a second that chaos_unmap may ask for. */
#define SCENARIO_CHAOS_MAX 1e6

struct scenario_physmem {
    uint32_t frames;
    uint32_t reserve;
    char *arbiter; /* NULL: physmem's default */
    double chaos_unmap;
    uint64_t seed;
    char **args;
    uint32_t args_count;
};

/* A physmem that re-lets the frames of another one. */
struct scenario_stacked {
    char *name;
    char *upstream; /* NULL: physmem */
    char *contract; /* there */
    uint32_t reserve;
    char *arbiter; /* NULL: physmem's default */
    char **args;
    uint32_t args_count;

    uint32_t above; /* from scenario_check: enum scenario_server */
};

struct scenario_swap {
    uint32_t slots;
    char *file;   /* NULL: in the private directory */
    char *device; /* NULL: the file */
    bool keep;
    bool buffered;
    double fail_writes;
    uint32_t bandwidth; /* pages a second that contracts for it may come to; 0: there are none */
    char **args;
    uint32_t args_count;
};

struct scenario_policyserver {
    char *arbiter;      /* NULL: physmem's own decides */
    char *entitlements; /* path of its file; NULL: no limits */
    char **args;
    uint32_t args_count;
};

struct scenario_fileserver {
    char *root;
    char *contract; /* NULL: extra frames for the cache */
    uint32_t cache; /* pages; 0: the server's default */
    char **args;
    uint32_t args_count;
};

/* Whether contracts are renewed before their term ends. */
enum scenario_renewal {
    SCENARIO_RENEW_DEFAULT, /* yes */
    SCENARIO_RENEW_NO,
    SCENARIO_RENEW_YES,
};

/* What a task does with its memory, as texts: workload/workload_text.h says what each means. */
struct scenario_phase {
    char *zipf, *scan, *loop, *markov, *idle, *trace, *file;
    char *first, *pages, *stay, *writes, *references, *think, *burst, *pause;
};

struct scenario_workload {
    char *pages, *kind, *rounds, *recalls, *refill;
    struct scenario_phase *phases; /* none: `phase` is the only one */
    uint32_t phases_count;
    struct scenario_phase phase;
};

struct scenario_task {
    char *name;
    char *program;                      /* NULL: selfpage-load, with the workload */
    struct scenario_workload *workload; /* NULL: none */
    char **arguments;
    uint32_t arguments_count;
    char *policy;    /* NULL: the library's default */
    char *bandwidth; /* SELFPAGE_BANDWIDTH; NULL: no contract */
    char *contract;
    char *part_of;   /* name of the task whose contract this one's is a part of; NULL: none */
    char *physmem;   /* name of its server; NULL: physmem */
    uint32_t copies; /* 0: there is one, of this name; else NAME_1, NAME_2 ... in the place of it */
    char *start;     /* as written; NULL: at once */
    char *stop_after; /* as written; NULL: never */
    bool pager_thread;
    enum scenario_renewal renew;
    char *expect_exit; /* as written; NULL: 0, or any if it is stopped */

    /* From scenario_check. */
    uint64_t start_ns;
    uint64_t stop_ns;  /* after its start; 0: never */
    int expected_exit; /* -1: any */
    uint32_t server;   /* enum scenario_server: its physmem */
    uint32_t entry;    /* which of the list in the file it is, or is a copy of */
    char *load;        /* the workload as one text, for free(); NULL: there is none */
};

enum scenario_action {
    SCENARIO_SIGNAL, /* to a task */
    SCENARIO_SIGNAL_SERVER,
    SCENARIO_RECALL,
    SCENARIO_STOP,    /* a server, by SIGTERM */
    SCENARIO_KILL,    /* a server, by SIGKILL */
    SCENARIO_RESTART, /* a server that was stopped or killed */
};

enum scenario_server {
    SCENARIO_PHYSMEM = 0,
    SCENARIO_SWAP = 1,
    SCENARIO_POLICYSERVER = 2, /* of physmem: started after it, and ended before */
    SCENARIO_FILESERVER = 3,   /* the same */
    SCENARIO_STACKED = 4,      /* the first of the further physmems, in the order of the list */
    SCENARIO_SERVERS = SCENARIO_STACKED + SCENARIO_STACKED_MAX
};

struct scenario_event {
    char *at;
    char *signal; /* exactly one of these five */
    uint32_t recall;
    char *stop;
    char *kill;
    char *restart;
    char *task;   /* for signal and recall */
    char *server; /* for signal, instead of a task */

    /* From scenario_check. */
    enum scenario_action action;
    unsigned line; /* where it begins */
    uint64_t at_ns;
    int signal_number;
    uint32_t target; /* index of the task, or enum scenario_server */
};

/* What goes wrong in virtual time. */
struct scenario_faults {
    char *until;  /* as written */
    char *every;  /* as written; NULL: the seed draws how often */
    char **kinds; /* none: the seed draws them */
    uint32_t kinds_count;

    uint64_t until_ns; /* from scenario_check */
    uint64_t every_ns; /* likewise; 0: the seed draws it */
};

/* How long things take in virtual time, as texts (play/costs.h): another swap device, say, than that which the
 * costs of the machine are of. */
struct scenario_costs {
    char *start, *reference, *fault, *frame, *watch, *round_trip, *refill, *message;
    char *write_start, *write_page, *read_start, *read_page, *piece, *depth;
};

/* A bar of a figure: a value at the end. */
struct scenario_bar {
    char *name;
    char *value;      /* an expression */
    char **published; /* numbers: one, or one for each value of what varies */
    uint32_t published_count;
};

/* What `selfpage experiment` draws. */
struct scenario_figure {
    char *title;
    char *unit; /* of the values */
    char *
        vary; /* NULL: nothing; else KEY=VALUE,VALUE as for --vary: a group of bars for each value */
    char **groups; /* what the groups are called; none: what varies */
    uint32_t groups_count;
    struct scenario_bar *bars;
    uint32_t bars_count;
};

#define SCENARIO_BARS 64u

/* A command that has to succeed at the end. */
struct scenario_command {
    char *command;
    char *text;
};

struct scenario {
    struct scenario_physmem physmem;
    struct scenario_stacked *physmems; /* further ones */
    uint32_t physmems_count;
    struct scenario_swap *swap;                 /* NULL: none */
    struct scenario_policyserver *policyserver; /* NULL: none */
    struct scenario_fileserver *fileserver;     /* NULL: none */
    struct scenario_task *tasks;
    uint32_t tasks_count;
    struct scenario_event *events;
    uint32_t events_count;
    struct scenario_faults *faults; /* NULL: none */
    struct scenario_costs *costs;   /* NULL: none are named */
    struct scenario_figure *figure; /* NULL: none */
    char *timeout;
    char **expect;
    uint32_t expect_count;
    struct scenario_command *check;
    uint32_t check_count;

    uint64_t timeout_ns; /* from scenario_check */
};

/* The fields of a scenario, for the test that the help explains each. */
extern const struct yaml_syntax scenario_syntax;

/* Read the scenario at `path`. Every mistake is reported as "PATH:LINE: FIELD: what", the first one
 * found: of YAML, of names and types, of values. *positions tells lines for later messages. On
 * success the caller frees both. `definitions` are NAME=VALUE: the value stands for ${NAME} in each
 * field, numbers and contracts too, if it is one word without blanks and quotes; NULL: there are none. -EINVAL for mistakes, others if the file cannot be read. */
int scenario_load(const char *path, const struct strings *definitions, struct scenario **scenariop,
                  struct yaml_index *positions, struct sp_error *error);

void scenario_free(struct scenario **scenariop);

/* The name, for messages, of a server (enum scenario_server) of the scenario. */
const char *scenario_server_name(const struct scenario *scenario, uint32_t which);

/* What an event should do, as "line 9: recall of 5 frames from task a". */
void scenario_describe_event(const struct scenario_event *event, char *text, size_t size);

/* The seed of a task of this name in a run with this seed. It depends on nothing else: another task more
 * or less changes no random number of this one. Never 0. */
uint64_t scenario_task_seed(uint64_t seed, const char *name);

/* Check the values, and fill in what follows from them; scenario_load does it. `path` is for
 * messages. Same errors. */
int scenario_check(struct scenario *scenario, const char *path, const struct yaml_index *positions,
                   struct sp_error *error);

#endif

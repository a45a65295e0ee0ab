/* The load of `selfpage bench contracts`: many tasks as connections of one libuv loop.
 *
 * Files stand on one another in the order below: meter.c says what is measured, and ends the load
 * when something fails; link.c moves messages; ask.c makes the requests of a task, map.c maps what
 * it got; use.c looks at how many frames each task has; pool.c knows which tasks are free, and
 * measures their requests; task.c takes what physmem says; load.c decides when to make a
 * request. */
#ifndef SELFPAGE_BENCH_LOAD_H
#define SELFPAGE_BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "base/random.h"
#include "client/link.h"
#include "selfpage/bench/bench.h"
#include "os/shared.h"
#include "wire/message.h"

/* Requests of an open loop that may wait for a task; a power of two. Further arrivals are only counted. */
#define WAITING_MAX (1u << 20)

/* Contracts of one task at most; physmem allows 8. */
#define BENCH_CONTRACTS 4u

/* The term of every contract. */
#define BENCH_TERM_NS UINT64_C(60000000000)

/* Unmapped slots that a task remembers: physmem samples 12 a period. */
#define BENCH_UNMAPPED 16u

/* Deadlines that a task remembers. */
#define BENCH_RECALLS 8u

struct bench_load;
struct bench_task;
struct bench_maps;

/* One connection. The handle is on the heap: it outlives the connection until the loop has closed
 * it. */
struct bench_link {
    uv_poll_t *poll; /* NULL: not open */
    struct link link;
    uint8_t *rest; /* the beginning of a message, lent to the link; NULL: there is none */
    uint8_t role;  /* enum wire_role */
    bool greeted;  /* HELLO has been answered */
    struct bench_task *task;
};

enum bench_temper { BENCH_PROMPT, BENCH_SLOW, BENCH_SILENT };

enum bench_state {
    BENCH_CLOSED,
    BENCH_OPENING,
    BENCH_READY,
    BENCH_REVOKED, /* asked once more: the reply shows that physmem is done with the revocation */
};

struct bench_contract {
    uint32_t number;
    uint32_t frames;
    uint8_t kind; /* enum sp_contract_kind */
    uint8_t order;
};

struct bench_task {
    struct bench_load *load;
    struct bench_link request, control;
    uint32_t index;
    uint8_t temper; /* enum bench_temper */
    uint8_t state;  /* enum bench_state */
    bool counted;   /* in load->ready: has been ready before */
    uint32_t id;    /* of the task, and the key for its control connection */
    uint64_t key;
    uint32_t container;
    uint32_t seq;
    /* The request that is outstanding. */
    bool busy;
    uint8_t kind;         /* enum bench_kind */
    uint32_t subject;     /* number of the contract, or count of slots */
    uint64_t intended_ns; /* when it was to be sent */
    struct bench_contract contract[BENCH_CONTRACTS];
    uint32_t contracts;
    uint32_t proposed; /* frames of its last proposal */
    uint32_t unmet;    /* of these, not granted: demand beyond its contracts */
    /* Slots go round: those from `tail` to `head`, modulo their number, have frames. */
    uint64_t tail, head;
    uint32_t owed;        /* of recalls: not given back yet */
    uint32_t paying;      /* DEALLOCATEs over the control connection that are not answered */
    uint64_t recalled_ns; /* when the first of these recalls came; 0: none runs */
    uint64_t deadline_ns[BENCH_RECALLS]; /* of that recall, and of some of those after it */
    uint32_t recalls;
    bool mapping;            /* the request is a MAP that followed an ALLOCATE */
    struct bench_maps *maps; /* silent tasks; NULL: none */
    struct demand_course course;
    struct shared stack; /* where it states its demand; memory NULL: nowhere */
    /* Slots that physmem has unmapped to see whether they are used. */
    uint32_t unmapped[BENCH_UNMAPPED];
    uint32_t unmappeds;
};

struct bench_load {
    const struct bench_options *options;
    struct bench_result *result;
    struct bench_use *use; /* of its tasks, as in struct bench_result; NULL: it is not kept */
    const char *path;      /* of physmem's socket */
    uint64_t begun_ns;     /* when the first task was opened: courses of demand begin */
    uv_loop_t loop;
    bool looped;       /* it is there */
    uv_poll_t arrival; /* of a timerfd, for the open loop */
    uv_timer_t sample;
    uv_timer_t slow;
    uv_timer_t phase;
    int arrival_fd;
    uint64_t next_arrival_ns;
    struct bench_task *task;
    uint32_t tasks; /* that were opened */
    uint32_t ready; /* of these */
    uint32_t slots; /* of each container */
    uint32_t mean;  /* frames of a contract, on average */
    uint32_t kinds; /* sum of their shares */
    struct bench_task **idle;
    uint32_t idle_count;
    struct bench_task observer; /* no task: has the connection that asks for recalls */
    struct bench_task **asking; /* whose RECALL is not answered yet: a ring of as many as tasks */
    uint32_t asking_first, asking_count;
    uint64_t *waiting; /* open loop: when requests that wait for a task were to be sent; a ring */
    uint64_t waiting_first, waiting_end;
    struct random_source random;
    bool running;          /* requests are made */
    uint64_t measure_from; /* requests that were to be sent between these are measured */
    uint64_t measure_until;
    uint64_t measured; /* requests */
    /* What comes over a connection, and that it has ended: task.c. */
    void (*on_message)(struct bench_link *link, const struct wire_message *message, int consume_fd);
    void (*on_ended)(struct bench_link *link);
    bool failed;
    struct sp_error error;
    uint8_t buffer[2 * WIRE_MESSAGE_MAX + 65536];
    struct wire_message in, out;
};

/* ---- meter.c ---- */

/* End the load with an error. */
void bench_meter_fail(struct bench_load *load, const char *format, ...) SP_PRINTF(2, 3);

/* Whether the measurement ran at that time. */
bool bench_meter_is_on(const struct bench_load *load, uint64_t when);

/* Record a time if the measurement runs. */
void bench_meter_record(struct bench_load *load, struct histogram *histogram, uint64_t ns);

/* ---- link.c ---- */

/* Connect, and send HELLO. What comes goes to load->on_message and load->on_ended. */
void bench_link_open(struct bench_link *link, struct bench_task *task, enum wire_role role);

/* Send load->out. */
void bench_link_send(struct bench_link *link);
void bench_link_close(struct bench_link *link);

/* load->out, emptied of the fields of its header: of `type`, with the task's next seq. */
struct wire_message *bench_link_message(struct bench_task *task, enum wire_type type);

/* ---- map.c ---- */

/* Physmem has sent an extent; then, what it maps of extents. */
void bench_map_extent(struct bench_task *task, uint32_t extent, int consume_fd);
void bench_map_items(struct bench_task *task, const struct wire_message *message);

/* Unmap and close everything. */
void bench_map_fini(struct bench_task *task);

/* ---- ask.c ---- */

/* Make a request of this kind, or of another if that one makes no sense now. */
void bench_ask_kind(struct bench_task *task, enum bench_kind kind, uint64_t intended_ns);

/* Propose a contract, as a request of no kind. */
void bench_ask_propose(struct bench_task *task);

/* Give the oldest `count` slots back, over one of the connections: two ranges where they go round
 * the end of the container. */
void bench_ask_deallocate(struct bench_task *task, struct bench_link *link, uint32_t count);

/* Map the `count` slots that were allocated last. */
void bench_ask_map(struct bench_task *task, uint32_t count);

/* Frames that the task would use now. */
uint32_t bench_ask_demand(struct bench_task *task);

/* Frames that it holds. */
static inline uint32_t bench_task_held(const struct bench_task *task)
{
    return (uint32_t)(task->head - task->tail);
}

/* ---- use.c ---- */

/* Look at what every task holds, while the measurement runs. */
void bench_use_sample(struct bench_load *load);

/* Correct the latencies of a closed loop for coordinated omission. */
void bench_use_correct(struct bench_result *result, uint32_t outstanding);

/* Evaluate the samples: result->use has those of all tasks. Returns 0 or -ENOMEM. */
int bench_use_finish(const struct bench_options *options, struct bench_result *result);

/* ---- pool.c ---- */

/* Have some task make a request that was to be made at that time; one must be free. */
void bench_pool_ask(struct bench_load *load, uint64_t intended_ns);

/* A task is ready for the first time, or again. */
void bench_pool_ready(struct bench_task *task);

/* The task no longer counts until it is ready again. */
void bench_pool_lost(struct bench_task *task);

/* The request of a task is over: measure it. `error` is 0 or a positive errno value. Unless a
 * request follows it, call bench_pool_idle next. */
void bench_pool_done(struct bench_task *task, uint32_t error);
void bench_pool_idle(struct bench_task *task);

/* ---- task.c ---- */

/* Connect. */
void bench_task_open(struct bench_task *task);

/* Slow tasks: answer the recall if it is time. */
void bench_task_look(struct bench_task *task, uint64_t now);

/* A message came, perhaps with a descriptor (or -1), which the callee owns. */
void bench_task_receive(struct bench_link *link, const struct wire_message *message,
                        int consume_fd);

/* A connection has ended. */
void bench_task_ended(struct bench_link *link);

/* ---- load.c ---- */

int bench_load_init(struct bench_load *load, const struct bench_options *options,
                    struct bench_result *result, const char *path, struct sp_error *error);

/* Have `count` tasks in all connected, and holding a contract each. */
int bench_load_open(struct bench_load *load, uint32_t count, struct sp_error *error);

/* Make requests; measure after the warm-up. `between` (NULL: nothing) is called before the measurement
 * begins, and when all that was measured has been answered. May be called again. */
int bench_load_run(struct bench_load *load, void (*between)(void *arg), void *arg,
                   struct sp_error *error);

/* Disconnect all tasks and free everything. */
void bench_load_fini(struct bench_load *load);

#endif

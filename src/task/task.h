/* The task's half, inside: one attachment of this process to physmem and swap.
 *
 * WHO HOLDS WHAT. `lock` guards the pager and everything that says so below; it is held for
 * microseconds, never across a round trip, a callback, or a sleep, and only with all signals but
 * SIGSEGV and SIGBUS blocked. A thread enters by task_enter and leaves by task_leave; in between, the
 * pager's effects are carried out at once if they concern this process alone, and otherwise noted in
 * the thread's `struct work`, which work_perform does after the lock is released.
 *
 * PAGES. The task chooses how many base pages, 2^page_order, make one page of its pager, and one frame
 * of its container. In the pager, in `struct work` and in names without more, pages and slots are
 * those; the public interface and the protocol count base pages, and physmem's slots. What crosses
 * the border is converted where it does, by the functions of units.h.
 *
 * THREADS. Faulting threads come in by the signal handler (fault.c). One control thread (control.c)
 * listens to physmem, answers unmaps and recalls, and writes back. A pager thread (pager_thread.c)
 * exists on request. */
#ifndef TASK_TASK_H
#define TASK_TASK_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include <selfpage/task.h>

#include "shm/stats_page.h"
#include "core/pager/pager.h"
#include "core/contracts/terms_text.h"
#include "os/futex.h"
#include "os/plugin.h"
#include "policy/params.h"
#include "record/recorder.h"
#include "os/shared.h"
#include "task/channel.h"

/* Batches of stores on their way, at most. */
#define TASK_STORE_BATCHES 64u

/* Slots that physmem lets a task name as vital. */
#define TASK_VITALS 16u

/* Slots of an extent, as physmem cuts them; a container says so at creation. */
struct task_extent {
    int fd;                /* -1: not received yet */
    uint32_t number;       /* physmem's */
    unsigned char *window; /* all of it, mapped for reading and writing; wired */
};

/* Pages whose stores one STORE message carries, in its order. */
struct store_batch {
    const struct channel *channel; /* NULL: unused */
    uint32_t seq;
    uint32_t count;
    sp_page page[PAGER_BATCH];
};

struct task_contract {
    uint32_t number; /* 0: unused */
    uint32_t change; /* physmem's count of what became of it, as far as it was heard of */
    uint8_t state;   /* enum sp_contract_state */
    struct sp_terms terms;
};

/* What the effects of one call into the pager leave to do once the lock is released. */
struct work {
    uint32_t stores, loads, frees, returns;
    struct work_page {
        sp_page page;
        uint32_t slot;
        uint32_t swap;
    } store[PAGER_BATCH], load[PAGER_BATCH];
    uint32_t free_swap[WIRE_BATCH]; /* `frees` slots of swap's, one for each base page */
    uint32_t return_slot[WIRE_RANGES];
    bool refill, allocate, grant, extra;
    struct work_page refilled;
    uint32_t grant_slot, grant_count;
    uint32_t allocate_slot, allocate_count;
};

/* Why this task cannot go on. */
enum task_end {
    TASK_LIVES = 0,
    TASK_REVOKED,
    TASK_ENDED, /* detached, or never attached */
};

/* Where the code of the eviction policy lies. */
struct crash_object {
    uintptr_t first; /* its executable segment */
    size_t size;
    uintptr_t base; /* of the object in memory */
    bool library;   /* the library's code lies there too, or it is not known where */
    char name[48];  /* of the object's file */
};

struct sp_task {
    struct futex_lock lock;
    uint32_t events; /* counts ends of transits; sleepers wait on it */
    uint32_t sleepers;
    uint32_t end; /* enum task_end; sleepers wait on it */
    bool stopping;
    bool pager_thread_wanted;
    bool no_renewal;
    bool may_lose; /* physmem may repossess frames: some contract says, or once said so */

    /* Constant while attached. */
    char name[SP_NAME_MAX];
    unsigned page_order;
    unsigned char *arena; /* addresses of all regions: page 0 lies there */
    uint32_t arena_pages; /* base pages */
    void *wired;          /* the pager's memory */
    size_t wired_size;
    uint32_t physmem_frames; /* in all */
    uint32_t container;
    uint32_t extent_pages;
    uint32_t extents_max;
    struct task_extent *extents; /* by slot / extent_pages */
    size_t extents_size;
    struct sp_stats *stats;         /* in pages of the pager */
    struct sp_stats *shown_stats;   /* of own_page or shared_page, in base pages */
    struct sp_stats unit_stats;     /* what is counted, where that is not the same */
    struct stats_page *shared_page; /* NULL: none */
    struct stats_page own_page;
    enum sp_recall_answer (*on_recall)(void *arg, const struct sp_recall *recall);
    void *on_recall_arg;
    void (*on_pressure)(void *arg, const struct sp_pressure *pressure);
    void *on_pressure_arg;
    struct policy_choice policy;
    struct live_trace *live_trace; /* NULL: no trace is written */
    struct shared stack;           /* the frame stack, shared with physmem */
    struct plugin policy_object;
    struct crash_object policy_object_at;

    /* Guarded by lock. */
    struct pager pager;
    struct work *work; /* of the thread that holds the lock */
    struct store_batch batch[TASK_STORE_BATCHES];
    struct {
        uint32_t number;
        uint32_t pages;
        int fd;
    } arrived[CHANNEL_FDS]; /* extents announced, not yet named by a mapping */
    uint32_t arrived_count;
    sp_availability_changed *on_availability; /* NULL: the program does not watch */
    void *on_availability_arg;
    uint32_t recalls_open;
    bool recall_may_clean;
    struct {
        sp_refill *refill;
        void *arg;
        uint32_t pages; /* base pages that were asked for */
    } refills[PAGER_REGIONS_MAX];
    /* Swap slots of base pages whose pages have a copy in swap; not used if those are the same. */
    uint32_t *swap_slots;
    struct task_contract contract[TERMS_MAX];
    sp_page vital[TASK_VITALS]; /* pinned pages that physmem is asked to spare */
    uint32_t vitals;
    uint32_t swap_reserved;

    struct channel physmem; /* requests */
    struct channel control; /* read by the control thread alone */
    bool has_swap;
    struct channel swap;    /* loads and stores of faulting threads */
    struct channel cleaner; /* stores of the control thread */

    pthread_t control_thread;
    int wake_fd; /* eventfd: something for the control thread to do */
    pthread_t pager_thread;
    uint32_t fault_queue_word;        /* counts faults handed to the pager thread */
    struct handed_fault *fault_queue; /* a stack, by compare and swap */
    struct sigaction old_segv, old_bus;
};

/* ---- task.c ---- */

/* The attached task; NULL if none. Read by handlers. */
struct sp_task *task_attached(void);
void task_set_attached(struct sp_task *task);

/* Block all signals but SIGSEGV and SIGBUS in this thread. Undone by pthread_sigmask(SIG_SETMASK,
 * saved, NULL); threads started meanwhile inherit it. */
void task_block_signals(sigset_t *saved);

/* Block signals so, take the lock, and collect effects in `work`, which is
 * emptied. task_leave undoes it. Inside a fault handler `saved` may be NULL: the signals are
 * blocked already. */
void task_enter(struct sp_task *task, struct work *work, sigset_t *saved);
void task_leave(struct sp_task *task, const sigset_t *saved);

/* The page of an address, or SP_NO_PAGE if it is not managed. */
sp_page task_page_of(const struct sp_task *task, const void *address);

/* True if this thread holds the lock. */
bool task_is_held(void);

/* Something ended that a fault may wait for. */
void task_signal_event(struct sp_task *task);

/* Wait until `events` is not the count any more, or for timeout_ns (-1: no limit). */
void task_wait_event(struct sp_task *task, uint32_t events, int64_t timeout_ns);

/* Wake the control thread. */
void task_poke(struct sp_task *task);

/* Write "selfpage: task 'NAME' (pid N): ..." to standard error. Async-signal-safe enough for a
 * process that is about to end: it formats into the stack and calls write once. */
void task_say(const struct sp_task *task, const char *format, ...) SP_PRINTF(2, 3);

/* The same, and end the process with status 2. */
_Noreturn void task_die(const struct sp_task *task, const char *format, ...) SP_PRINTF(2, 3);

/* Wait, for some seconds, until the control thread has heard that the task was revoked. */
void task_await_end(struct sp_task *task);

/* End the process by SIGBUS, as a task whose memory was revoked. */
_Noreturn void task_die_revoked(struct sp_task *task);

/* ---- memory.c: the effects that concern this process alone ---- */

int memory_reserve(struct sp_task *task, struct sp_error *error);
void memory_release(struct sp_task *task);
void *memory_address(const struct sp_task *task, sp_page page);
/* Where the library sees the frame of a slot, whose extent is known. */
void *memory_window(const struct sp_task *task, uint32_t slot);
bool memory_is_window(const struct sp_task *task, const void *address);
/* Take all effects of the pager: carry out those that concern this process alone, and note the others
 * in `work`. The lock is held. */
void memory_carry_out(struct sp_task *task, struct work *work);
/* Mappings that regions may use: what vm.max_map_count leaves. */
uint32_t memory_map_limit(void);

/* ---- transit.c: the effects that need a round trip ---- */

/* Do what `work` says, over `swap` (faulting threads: task->swap, control thread: task->cleaner)
 * for stores and loads. Waits for loads, allocations and grants, not for stores. `write` and `map`:
 * loads and refills are for a fault and are to be mapped. */
void work_perform(struct sp_task *task, struct work *work, struct channel *swap, bool map,
                  bool write);
/* Give the frames that `work` names back to physmem. */
void transit_return(struct sp_task *task, const struct work *work);
void transit_on_message(void *context, struct channel *channel, const struct wire_message *message,
                        int consume_fd);

/* ---- swapping.c: the part of work_perform that is about swap ---- */

void swap_perform(struct sp_task *task, const struct work *work, struct channel *swap, bool map,
                  bool write);
/* A message that nobody waits for: the answer to stores. */
void swap_answered(struct sp_task *task, struct channel *channel,
                   const struct wire_message *message);
/* End the process: the swap server is gone. */
_Noreturn void swap_end(struct sp_task *task);

/* ---- fault.c ---- */

/* Bring a page in and map it. Ends the process if that cannot be. */
void task_fault(struct sp_task *task, sp_page page, bool write);
int fault_install(struct sp_task *task, struct sp_error *error);
void fault_uninstall(struct sp_task *task);

/* ---- crash.c ---- */

/* See where the code of the policy lies, which has been chosen. */
void crash_watch_policy(struct sp_task *task);

/* This thread serves a fault on a page, or calls back to have one made, numbered within its region;
 * SP_NO_PAGE: no more. */
void crash_serving(sp_page page);
void crash_refilling(sp_page page);

/* This thread has had a fault that is not on managed memory: say whose it is, if it is one of
 * paging. Async-signal-safe enough, as task_say. */
void crash_explain(const struct sp_task *task, const siginfo_t *info, const ucontext_t *context);

/* ---- probe.c ---- */

/* The handler is installed: fault, and see that this thread goes on properly. 0, -ENOTSUP, -ENOMEM. */
int probe_resume(struct sp_error *error);

/* In the handler: true if this was such a fault, and has been dealt with. */
bool probe_fault(const siginfo_t *info);

/* ---- control.c, pager_thread.c ---- */

int control_start(struct sp_task *task, struct sp_error *error);
void control_stop(struct sp_task *task);
void control_on_message(void *context, struct channel *channel, const struct wire_message *message,
                        int consume_fd);
int pager_thread_start(struct sp_task *task, struct sp_error *error);
void pager_thread_stop(struct sp_task *task);
/* Called by a fault handler: have the pager thread do it, and wait. */
void pager_thread_fault(struct sp_task *task, sp_page page, bool write);

/* ---- lost.c ---- */

/* Physmem has taken frames by force, or warns that it will. */
void lost_note(struct sp_task *task, const struct wire_message *message);
void lost_warned(struct sp_task *task, const struct wire_message *message);

/* Whether that can happen to this task. */
bool lost_possible(const struct sp_task *task);

/* SIGBUS in a window: let the access go on, without effect. */
void lost_window(struct sp_task *task, void *address);

/* SIGBUS at a managed page: wait a little for what physmem says. Ends the process if it says that
 * the task was revoked, or nothing for long. */
void lost_wait(struct sp_task *task, sp_page page);

/* A transfer to or from a page's frame failed: whether because physmem took the frame. Waits for the
 * message. */
bool lost_in_the_end(struct sp_task *task, sp_page page);

/* Wait until nothing of the task's lies in an extent that physmem has taken. False if that does not
 * come about. */
bool lost_extent_is_gone(struct sp_task *task, uint32_t index);

/* A page was pinned, or unpinned; the lock is held. Then, without it: tell physmem. */
void vital_pinned(struct sp_task *task, sp_page page);
void vital_unpinned(struct sp_task *task, sp_page page);
void vital_announce(struct sp_task *task);

/* ---- live_trace.c ---- */

#define LIVE_TRACE_POLICY_MOST 4096u

/* If SELFPAGE_TRACE names a file, or a directory for one, record there what the policy, which was
 * chosen by the text `policy`, sees and says. Before the pager begins; live_trace_end in any case. */
int live_trace_begin(struct sp_task *task, const char *policy, uint32_t pages,
                     struct sp_error *error);

/* The policy that the pager is to run, and its parameters. */
const struct sp_policy *live_trace_policy(const struct sp_task *task, const double **params);

/* Control thread: write what has come together, if it is enough to bother. */
void live_trace_write(struct sp_task *task);

/* Close the trace; `write_rest`: all of it. No other thread uses the task. */
void live_trace_end(struct sp_task *task, bool write_rest);

/* ---- availability.c ---- */

/* Physmem says what has changed: note it, call the program back, and say that it was heard. */
void watch_told(struct sp_task *task, const struct wire_message *message);

/* Frames were recalled and are owed: let the program drop what it can spare before any are taken by
 * eviction. */
void watch_recalled(struct sp_task *task);

/* Have physmem tell of pressure, if the program wants to hear of it. */
int watch_start(struct sp_task *task, struct sp_error *error);

/* ---- publish.c ---- */

/* Open a frame stack with physmem, for about as many frames as the contracts allow, and list unused
 * frames there from now on. After the pager has begun, before there are other threads. Returns 0;
 * `error` is filled otherwise. */
int publish_start(struct sp_task *task, uint32_t frames, struct sp_error *error);
void publish_end(struct sp_task *task);

/* ---- contracts.c ---- */

/* Ask physmem with all signals blocked, and turn an error reply into a result. Takes note of an
 * offer that is the answer. For threads of the program; the control thread must not wait. */
int task_ask(struct sp_task *task, struct wire_message *message, uint8_t expected,
             struct wire_message *reply, struct sp_error *error);

/* Take note of an offer that physmem made. */
void contract_note(struct sp_task *task, const struct wire_message *offer);
/* Take note of what became of a contract by itself. */
void contract_changed(struct sp_task *task, const struct wire_message *message);
/* Propose what the text says and accept counter-offers that are good enough. */
int contracts_negotiate(struct sp_task *task, const struct wanted_contract *wanted, int count,
                        struct sp_error *error);
/* Ask for a new term like the old one; the answer comes to contract_note. */
void contract_renew(struct sp_task *task, uint32_t number);

#endif

/* One attachment of this process to physmem and swap: what all parts of the task library stand on.
 *
 * FLOORS. api (what the program calls) stands on entry (faults, messages from physmem, threads), entry on
 * containers (those of the program, and their mappings) and effects (what the pager wants done, and
 * what answers say), these on state. Nothing calls upward.
 *
 * LOCK. `lock` guards the pager and everything that says so below. It is held for microseconds, never
 * across a round trip, a callback or a sleep, and only inside a guard (guard.h). A thread takes it with
 * hold_take, calls the pager, takes the effects with work_collect (which carries out those that concern
 * this process alone), and releases it with hold_release. What needs a round trip stands in the thread's
 * struct work, and perform_work does it after the lock is released.
 *
 * PAGES. The task chooses how many base pages, 2^page_order, make one page of its pager, and one frame
 * of its container. In the pager, in struct work and in names without more, pages and slots are those;
 * the public interface and the protocol count base pages, and physmem's slots. Numbers are converted
 * where they cross that border, by the functions of units.h.
 *
 * THREADS. Faulting threads come in by the signal handler (entry/fault.c). One control thread
 * (entry/control.c) listens to physmem, answers unmaps and recalls, and writes back. A pager thread
 * (entry/pager_thread.c) exists on request. */
#ifndef TASK_STATE_STATE_H
#define TASK_STATE_STATE_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include <selfpage/container.h>
#include <selfpage/task.h>

#include "core/contracts/agreements.h"
#include "core/contracts/terms_text.h"
#include "core/pager/pager.h"
#include "os/futex.h"
#include "os/page_bits.h"
#include "os/plugin.h"
#include "os/shared.h"
#include "policy/params.h"
#include "record/recorder.h"
#include "shm/stats_page.h"
#include "client/channel.h"

/* Batches of stores on their way, at most. */
#define TASK_STORE_BATCHES 64u

/* Slots that physmem lets a task name as vital. */
#define TASK_VITALS 16u

/* Slots of an extent, as physmem cuts them; a container says so at creation. */
struct task_extent {
    int fd;                /* -1: not received yet, or not kept */
    bool known;            /* received */
    uint32_t number;       /* physmem's */
    unsigned char *window; /* all of it, mapped for reading and writing; wired */
};

/* An extent that physmem has sent. */
struct known_extent {
    uint32_t number;
    uint32_t pages;
    int fd;
};

/* Pages whose bits are read at once. */
#define TASK_BITS 64u

/* Mappings of containers at once. */
#define TASK_WINDOWS 64u

/* What is known of a page of a window, besides PAGE_READ and PAGE_WRITE: what it is mapped for. */
#define WINDOW_FILLED 4u  /* it is as it was filled: it can go, and be filled again */
#define WINDOW_BUSY   8u  /* a thread fills it */
#define WINDOW_SOFT   16u /* it went, softly: physmem may still have it as it was */

/* Addresses at which slots of a container are mapped. */
struct task_window {
    unsigned char *address; /* NULL: unused */
    uint32_t container;
    uint32_t first; /* slot */
    uint32_t pages;
    bool writable;
    bool made;             /* the container was made for this window */
    bool swaps;            /* nobody else sees its slots: pages that were written may go to swap */
    bool filling;          /* a thread fills pages, or has some stored, and no other one begins */
    unsigned char *mapped; /* by page: PAGE_*, WINDOW_* */

    /* Of a region that fills slots without frames: from a source, or (supply) by a function. */
    uint32_t source; /* container; 0: none */
    uint32_t source_first;
    sp_container_supply *supply; /* NULL: none */
    void *supply_arg;
    uint32_t filled;     /* pages with WINDOW_FILLED */
    uint32_t most;       /* of these, or (`swaps`) of all that have frames */
    uint32_t hand;       /* the page that is looked at next when some must go */
    uint32_t *stored;    /* by page: its number in swap, 0 if it has none; NULL unless `swaps` */
    uint32_t store_hand; /* as `hand`, for pages that were written */
};

/* Pages of a window that a thread fills, or gives back; see containers/filling.h. */
struct filling {
    struct task_window window; /* a copy */
    uint32_t page;
    uint32_t count;   /* 0: none */
    uint32_t surplus; /* pages that must go first, to stay within `most` */
    bool dropping;
    bool storing; /* pages that were written go to swap */
    bool alone;   /* storing: nobody filled the window when that began */
    bool stored;  /* the pages are in swap */
};

/* Base frames that the contracts allow. */
struct promise {
    uint32_t guaranteed;
    uint32_t extra;
};

/* Pages whose stores one STORE message carries, in its order. */
struct store_batch {
    const struct channel *channel; /* NULL: unused */
    uint32_t seq;
    uint32_t count;
    sp_page page[PAGER_BATCH];
};

/* A frame that is mapped early: see memory_map_early. */
struct task_early {
    bool made;
    sp_page page;
    uint32_t slot;
    uint32_t extent; /* its number */
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
    struct futex_lock apart_lock; /* see effects/apart.h; taken before `lock` */
    uint32_t events;              /* counts ends of transits; sleepers wait on it */
    uint32_t sleepers;
    uint32_t end; /* enum task_end; sleepers wait on it */
    bool stopping;
    bool pager_thread_wanted;
    bool no_renewal;
    bool may_lose; /* physmem may repossess frames: some contract says, or once said so */

    /* Constant while attached. */
    char name[SP_NAME_MAX];
    uint32_t number; /* by which physmem knows the task */
    unsigned page_order;
    unsigned char *managed; /* addresses of all regions: page 0 lies there */
    uint32_t arena_pages;   /* base pages */
    void *wired;            /* the pager's memory */
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
    struct sites *sites;           /* NULL: nobody wants to know which instructions fault */
    struct shared stack;           /* the frame stack, shared with physmem */
    struct plugin policy_object;
    struct crash_object policy_object_at;

    struct page_bits bits; /* see effects/bits.h; closed: references to watched pages are signals */

    /* Guarded by lock. */
    struct pager pager;
    bool bits_known; /* `bits_present` is of the call of the pager that is under way */
    sp_page bits_first;
    uint32_t bits_count;   /* pages that it is of */
    uint32_t bits_width;   /* so many were to be, a power of two; 0: none were looked at yet */
    uint32_t bits_asked;   /* so many of them were asked for */
    uint64_t bits_present; /* by page, from bits_first */
    sp_page arm_first;     /* pages that are to be armed before the effects of the call end */
    uint32_t arm_count;
    struct apart
        *apart; /* notes what the call under way does to mappings; NULL: it is done at once */
    struct task_early *early; /* what the page of the call under way is mapped to; NULL: nothing */
    struct store_batch batch[TASK_STORE_BATCHES];
    struct known_extent *known; /* see known.h */
    uint32_t known_count;
    uint32_t known_room;
    struct task_window window[TASK_WINDOWS];
    uint32_t windows_changed; /* how often pages of windows were hidden, or began to be busy */
    struct book *books;       /* the containers that the program has made: see containers/book.h */
    uint32_t aside;           /* frames of these, which the pager does not have */
    uint32_t drops_owed;      /* of these, recalled: see entry/drops.h */
    struct filling drop;      /* what is on its way back to physmem for that */
    uint32_t fillings;        /* that are under way, by any thread: see containers/filling.h */
    uint32_t drop_seq;        /* of the message that gives it back; 0: none */
    uint64_t drops_after_ns;  /* physmem has refused: when it is asked again */
    bool keeps_written; /* physmem has no swap server: pages of windows that were written stay */
    struct promise promise; /* what the contracts allow in all */
    sp_task_ends
        *on_end; /* called once, before the library ends the process; NULL: nobody wants to know */
    void *on_end_arg;
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
    struct agreements agreements;
    sp_page vital[TASK_VITALS]; /* pinned pages that physmem is asked to spare */
    uint32_t vitals;
    uint32_t swap_reserved;

    struct channel physmem; /* requests */
    struct channel control; /* read by the control thread alone */
    bool has_swap;
    struct channel swap;    /* loads and stores of faulting threads */
    struct channel cleaner; /* stores of the control thread */
    int own_file_fd;        /* see effects/own_file.h; -1: swap loads */
    /* Checksums of base pages that have a copy in swap. Guarded by lock, but for pages in transit. */
    uint64_t *own_sums;
    unsigned char *own_scratch;    /* where pages go that are read, and not wanted */
    uint32_t stores_unanswered;    /* messages sent by `swap` */
    uint32_t own_loads, own_reads; /* that swap has not been told of: base pages, and reads */

    pthread_t control_thread;
    int wake_fd; /* eventfd: something for the control thread to do */
    pthread_t pager_thread;
    uint32_t fault_queue_word;        /* counts faults handed to the pager thread */
    struct handed_fault *fault_queue; /* a stack, by compare and swap */
    struct sigaction old_segv, old_bus;
};

#endif

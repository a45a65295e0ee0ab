/* A task that plays: a program thread, which makes the references of a workload, and a control thread, which
 * hears what physmem says; around the core of the pager, as in a live task.
 *
 * The files of this folder, from the bottom; each calls those above it:
 *   scene device     time, messages, physmem, swap
 *   lessee           what a physmem has of another one
 *   pages            what pages hold, and that nothing is lost
 *   waiting          letters that wait for swap's device
 *   errands deal     what the pager wants done by messages, as letters; contracts
 *   files reading    the file server's cache; what reads from it
 *   thread control   the program, faults; recalls, unmaps, notices
 *   life             an actor begins and ends
 *   policytable      what physmem and a policy server share
 *   server           physmem and swap answer
 *   sublet           a physmem of another one comes
 *   metering         whose letter swap's device takes next
 *   outage           physmem and swap end, hang and go on
 *   policyserver     says who is entitled to how much
 *   fileserver       serves what tasks read
 *   play             all of it, event by event */
#ifndef PLAY_ACTOR_H
#define PLAY_ACTOR_H

#include "core/contracts/agreements.h"
#include "core/contracts/terms_text.h"
#include "core/pager/pager.h"
#include "core/physmem/status.h"
#include "play/scene.h"
#include "workload/walk.h"
#include "world/pager_shell.h"

/* The state of the program's thread. */
enum thread_state {
    THREAD_AWAY,    /* the task is not there yet */
    THREAD_COMES,   /* it waits for physmem's answer to its next step of coming */
    THREAD_RUNS,    /* it makes references */
    THREAD_FAULTS,  /* in a fault: the pager has said what to do about it */
    THREAD_LOADS,   /* waits for swap */
    THREAD_REFILLS, /* a callback runs */
    THREAD_ALLOCATES,
    THREAD_MAPS, /* the same: the frames have come, and not the rights */
    THREAD_GRANTS,
    THREAD_AWAITS,       /* any event */
    THREAD_AWAITS_STORE, /* of its own */
    THREAD_AWAITS_FRAME, /* physmem has none now */
    THREAD_ENDED,
};

/* What a task that reads files waits for: see play/reading.h. */
enum reading_step {
    READING_NOTHING,
    READING_CONTAINER, /* its container: that it is made, */
    READING_FRAMES,    /* has frames, */
    READING_SHARE,     /* is shared, */
    READING_GIVE,      /* and the file server has it */
    READING_ASK,       /* the file server */
    READING_MAP,       /* the right to what it has copied */
    READING_UNMAP,
};

/* Steps that are drawn at once, ahead of those that are taken, so that what they will need can come into the processor's cache
 * meanwhile. */
#define ACTOR_AHEAD 8u

struct actor_files {
    enum reading_step step;
    uint32_t container; /* 0: none */
    uint32_t frames;    /* of it */
    uint32_t life;      /* of the file server that has it */
    uint32_t open;      /* files */
    uint32_t tries;
    uint64_t up; /* when the last message to the file server arrives */
};

/* Kinds of faults: see play/storm.h. */
#define ACTOR_FAULTS 11u

/* A part of a contract, for another actor. */
struct actor_part {
    uint32_t to;  /* number of that actor, whose part_of says the same */
    uint8_t kind; /* enum sp_contract_kind: of the actor's first contract of this kind */
    uint32_t frames;
};

struct actor_config {
    const char *name;
    uint64_t seed;
    const struct sp_policy *policy;
    const double *params; /* of the policy */
    const struct walk_tables *tables;
    struct wanted_contract wanted[TERMS_MAX];
    uint32_t contracts;
    const struct actor_part *part; /* that it splits off, each once, when it has its contracts */
    uint32_t parts;
    /* 1 + the number of the actor that splits off the only contract of this one, whose terms are those of `wanted`; 0: it
     * has contracts of its own. */
    uint32_t part_of;
    uint32_t physmem;                 /* number of the one whose task it is; 0: the first */
    struct bandwidth_terms bandwidth; /* with swap; all zeros: no contract */
    bool renews;
    /* The steps of the program instead of those of the tables, of which only the region then counts: the one of this
     * number in this life; false: it ends. NULL: the tables say. */
    bool (*next)(void *arg, uint32_t life, uint64_t number, struct walk_step *step);
    void *arg;
};

struct actor {
    struct scene *scene;
    struct scene_physmem *physmem;     /* whose task it is */
    const struct actor_config *config; /* outlives the actor */
    uint32_t number;                   /* on the scene, and as a client of swap */
    struct actor *all;                 /* the first of all actors */
    uint32_t life;                     /* the first is 1 */
    enum thread_state state;
    int exit_status;           /* of the last life; -1 before its end */
    uint64_t began, ended;     /* the last life, with the start of its process */
    struct physmem_task *task; /* NULL: physmem does not know it */
    uint32_t container;
    struct frame_stack *stack; /* NULL: it has none */
    uint32_t step_of_coming;
    uint32_t asked; /* number of the request that the program's thread waits for */
    struct letter
        *held_back; /* the answer to that, which it cannot act on yet; NULL: there is none */
    struct lanes lanes;
    struct scene_holds holds; /* replies to it that wait */
    struct pager pager;
    struct sp_stats stats;
    struct pager_shell shell;
    void *memory; /* of the pager; with room to align it */
    size_t memory_size;
    uint8_t order;     /* its pages, and the slots of the pager, have 2^order base pages */
    uint32_t slots;    /* of the container; base pages, as all numbers but those of the pager are */
    sp_page first;     /* page of the pager: of its region */
    uint16_t *version; /* by base page of the region: how often it was written, see pages.c */
    uint32_t *
        swap_slot; /* by base page of the region; NULL: pages are base pages, and the pager knows */
    uint32_t
        *extent; /* by EXTENT_PAGES slots: handle, as far as the task has heard; 0: not known */
    struct agreements agreements;
    uint64_t token; /* of the part that it is to claim; 0: there is none, or that was answered */
    bool waits_for_part; /* to start */
    bool launched;       /* its process starts: the next SCENE_START is its own */
    uint32_t
        split; /* number of the request that splits `split_part` off once more; 0: there is none */
    uint32_t split_part;
    bool over;        /* it has ended, and does not come again */
    uint64_t stop_ns; /* it is asked to end so long after its start; 0: never */
    struct actor_files files;
    struct workload_walk walk;
    struct walk_step step; /* the next one, if there is one */
    bool has_step;
    int ends_with; /* exit status, when the last one is done; -1: there are more */
    /* Steps behind that one, which are drawn already, in a ring: those with the numbers from ahead_first to ahead_end. */
    struct walk_step ahead[2 * ACTOR_AHEAD];
    uint32_t ahead_first, ahead_end;
    uint64_t steps; /* of this life, taken so far, if config->next says them */
    uint64_t references;
    /* The program's thread. */
    uint64_t turn; /* of its last entry in the queue; others are stale */
    struct pager_work errands;
    enum pager_verdict verdict;
    bool brought_in, waited;
    bool read; /* what it needs has come from swap */
    /* Before the fault: see pager_shell; and messages with pages that the program's thread has sent. */
    uint64_t pieces, watches, sent_before;
    uint64_t sent;
    bool fault_write;
    sp_page fault_page;
    uint32_t events, events_seen;     /* what others wait for: see errands_signal */
    uint32_t progress, progress_seen; /* answers of swap that the program's thread has read */
    uint32_t stores_sent;             /* batches of the program's thread that are not answered */
    uint32_t mapped;                  /* slots, of those allocated or asked for */
    uint32_t came;                    /* slots that were allocated */
    bool came_zero;
    uint32_t pauses;
    struct letter *unread, *unread_last; /* answers to its stores */
    struct letter *in_hand; /* what was read, and waits for one of these; NULL: there is nothing */
    /* With swap, where it makes contracts for bandwidth. */
    struct rota_client turns;
    struct letter *waiting; /* loads before stores */
    /* The control thread. */
    uint64_t control_due; /* UINT64_MAX: it waits for messages alone */
    uint32_t recalls_open;
    bool may_clean;
    bool revoked;
    struct physmem_task_status seen;   /* what physmem said of it last */
    uint32_t agreed_held, agreed_owed; /* by the pager, when the rules were last looked at */
    /* Faults. */
    uint64_t hangs_until;
    uint64_t put_off; /* when what was put off last comes */
    uint64_t late_until, late_ns;
    uint8_t late_lanes; /* bits of enum scene_lane, from the actor; and to it, from bit LANES on */
    uint64_t grace_ns;  /* that it has at most, while faults strike; 0: what its contracts say */
    struct random_source late; /* how late each message is */
    struct random_source faults[ACTOR_FAULTS];
    uint64_t fault_every[ACTOR_FAULTS];  /* nanoseconds, in the mean */
    uint8_t fault_shorter[ACTOR_FAULTS]; /* than the longest that each lasts, by powers of two */
    uint32_t lives_after;                /* lost after the storm: see play.c */
    bool cut_off;                        /* physmem has seen its control connection end */
    bool orphan;                         /* a server has ended, which will be all that it hears */
    bool struck;                         /* something befell it that its contracts do not forgive */
};

/* A number of pages of the pager in base pages; also the first base page of a page or slot. */
static inline uint32_t actor_base(const struct actor *actor, uint32_t units)
{
    return units << actor->order;
}

/* So many base pages: in the whole pages that they make, and in those that hold them. */
static inline uint32_t actor_units(const struct actor *actor, uint32_t base)
{
    return base >> actor->order;
}

static inline uint32_t actor_units_for(const struct actor *actor, uint32_t base)
{
    return (base >> actor->order) + ((base & ((UINT32_C(1) << actor->order) - 1)) != 0);
}

/* Base pages of its region, the last page whole. */
static inline uint32_t actor_pages(const struct actor *actor)
{
    return actor_base(actor, actor_units_for(actor, actor->config->tables->workload.pages));
}

/* The page of the pager that a base page of the region lies in. */
static inline sp_page actor_page(const struct actor *actor, uint32_t page)
{
    return actor->first + actor_units(actor, page);
}

/* The slot of swap of the i-th base page of a page, for which the pager has noted `swap`. */
static inline uint32_t actor_swap_slot(const struct actor *actor, sp_page page, uint32_t swap,
                                       uint32_t i)
{
    return actor->swap_slot == NULL ? swap
                                    : actor->swap_slot[actor_base(actor, page - actor->first) + i];
}

/* How much later than usual a message comes, from or to the actor. */
static inline uint64_t actor_lag(struct actor *actor, enum scene_lane lane, bool to)
{
    if (actor->scene->now >= actor->late_until ||
        (actor->late_lanes >> (to ? LANES + lane : lane) & 1) == 0)
        return 0;
    return random_bits(&actor->late) % actor->late_ns;
}

/* Whether the actor has a pager now. */
static inline bool actor_is_there(const struct actor *actor)
{
    return actor->state > THREAD_COMES && actor->state < THREAD_ENDED;
}

#endif

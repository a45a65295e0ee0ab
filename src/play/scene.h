/* The ground that all actors of a play stand on: time, messages on their way, physmem, swap.
 *
 * A message takes half a round trip. Messages of one lane (a connection, in one direction) come in the order
 * in which they were sent, whatever else happens to them. */
#ifndef PLAY_SCENE_H
#define PLAY_SCENE_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/contract.h>
#include <selfpage/counters.h>

#include "core/cache/chunks.h"
#include "core/contracts/agreements.h"
#include "core/leases/lessee.h"
#include "core/leases/tenancy.h"
#include "core/pager/pager.h"
#include "core/physmem/physmem.h"
#include "core/physmem/request.h"
#include "core/physmem/status.h"
#include "play/costs.h"
#include "core/swap/rota.h"
#include "play/device.h"
#include "world/pager_work.h"
#include "world/physmem_shell.h"
#include "world/queue.h"

/* What happens: kinds of entries of the queue. `to` is the number of the actor, value[1] its life. */
enum scene_event {
    SCENE_START,         /* the actor begins a life */
    SCENE_STOP,          /* it is asked to end */
    SCENE_THREAD,        /* its program goes on; value[0]: its turn */
    SCENE_CONTROL,       /* its control thread looks whether there is something to do */
    SCENE_TO_PHYSMEM,    /* value[0]: a letter */
    SCENE_FROM_PHYSMEM,  /* a letter */
    SCENE_TO_SWAP,       /* a letter */
    SCENE_DEVICE_STORED, /* a letter: the device has done its stores */
    SCENE_DEVICE_LOADED, /* a letter: its loads */
    SCENE_FROM_SWAP,     /* a letter */
    SCENE_CUT,           /* it hears that a server has ended */
    SCENE_FAULT,         /* value[0]: a kind; see play/storm.h */
    SCENE_RELIEF,        /* what befell swap is over */
    SCENE_POLICY,        /* value[0]: what; see play/policyserver.c */
    SCENE_OTHER,         /* value[0]: for the driver of the play */
    SCENE_TURNS,         /* swap looks whose pages are moved next */
    SCENE_UP,            /* a letter, from the physmem of number `to` to the one above it */
    SCENE_DOWN,          /* and the other way */
    SCENE_LOST,          /* the physmem of number `to` ends, since all was taken above */
    SCENE_TICK,          /* a deadline of physmem's: never in the queue */
    SCENE_TO_FILES,      /* a letter to the file server */
    SCENE_FROM_FILES,    /* value[0]: what became of that: 0 or an errno value */
    SCENE_FILES,         /* value[0]: what the file server does; see play/fileserver.c */
    SCENE_EVENTS
};

/* What a letter to physmem asks for. */
enum letter_kind {
    LETTER_CONTAINER,
    LETTER_STACK,
    LETTER_PROPOSE,
    LETTER_ACCEPT,
    LETTER_RENEW,
    LETTER_ALLOCATE,
    LETTER_MAP,
    LETTER_DEALLOCATE, /* over the control connection, as the next two */
    LETTER_UNMAPPED,
    LETTER_BYE, /* all connections have ended */
    /* About a container that the task shares with the file server; the first also to that one. */
    LETTER_SHARE,
    LETTER_DESTROY,
    LETTER_UNMAP_OWN,
    LETTER_READ, /* to the file server: `number` is the file, `slot` the chunk of it, `count` its bytes */
    LETTER_EXCHANGE, /* of a physmem that rests on another one */
    LETTER_SPLIT,    /* `count` frames of `contract` */
    LETTER_CLAIM,    /* `number`: token */
};

/* Slots of swap that one letter gives back, at most: those of stores, and others. */
#define LETTER_FREES (PAGER_BATCH + PAGER_WORK_FREES)

/* A message. Which part is filled in depends on the event. */
struct letter {
    struct letter *next; /* in the list of those that are free, or that were not read yet */
    uint32_t actor;
    uint32_t life;   /* of the actor */
    uint8_t kind;    /* enum letter_kind */
    uint8_t lane;    /* enum scene_lane */
    uint8_t event;   /* enum scene_event: of one that a server has not read */
    uint32_t device; /* of one that the device works on: scene.server[SCENE_SWAP].life */
    union {
        struct {
            uint32_t seq, contract, count, slot;
            uint32_t container;   /* 0: that of its regions */
            uint32_t to, to_slot; /* EXCHANGE: container, and slot there */
            bool extra;
            bool writes;     /* MAP of a container: to write, too */
            bool whole;      /* ALLOCATE: all slots or none */
            uint64_t number; /* UNMAPPED: id; RENEW: term; CLAIM: token */
            struct sp_terms terms;
        } request;
        struct {
            uint32_t count;
            uint32_t seq;       /* 0: the answer is not waited for */
            uint32_t container; /* 0: that of its regions */
            struct physmem_range range[PAGER_WORK_RETURNS];
        } returns;
        struct {
            struct physmem_effect effect;
            /* Of a repossession: slots; of a mapping: a slot, and the extent in which it lies. */
            struct physmem_range item[EXTENT_PAGES / 2];
        } said;
        struct {
            uint32_t stores, loads, frees;
            bool served;                  /* loads: by the server, which answers */
            sp_page page[PAGER_BATCH];    /* of each store */
            uint32_t slot[PAGER_BATCH];   /* of the container; from swap: of the device */
            uint32_t extent[PAGER_BATCH]; /* where that slot lies */
            int error[PAGER_BATCH];
            struct letter_load {
                sp_page page;
                uint32_t from, to; /* slots: of the device, of the container */
                int error;
                uint64_t contents;
            } load[PAGER_BATCH];
            uint32_t free[LETTER_FREES];
        } swap;
    };
};

enum scene_lane { LANE_PHYSMEM, LANE_CONTROL, LANE_SWAP, LANE_CLEANER, LANES };

/* When the last message of each lane arrives. And, for physmem's, when the last one was read that has come: no two of a
 * lane come at one time. */
struct lanes {
    uint64_t up[LANES], down[LANES];
    uint64_t up_read[LANES], down_read[LANES];
};

/* Longest text about what is wrong. */
#define SCENE_TEXT 240u

/* A table that physmem shares with policy servers; with room to align it. */
struct scene_table {
    void *memory;
    size_t size;
};

#define SCENE_TABLES 32u

/* Physmems that rest on another one, at most. */
#define SCENE_STACKED_MAX 8u

enum scene_server {
    SCENE_PHYSMEM, /* the first */
    SCENE_SWAP,
    SCENE_STACKED, /* the physmem of number 1, and so on */
    SCENE_SERVERS = SCENE_STACKED + SCENE_STACKED_MAX
};

/* Which part of which file a chunk of the file server's cache holds, if it is not EMPTY. */
struct scene_part {
    uint64_t file, number;
};

#define SCENE_FILES_COUNTER(type, name, unit, meaning) SP_COUNTER_TYPE_##type name;
#define SCENE_FILES_STATE(name, list, unit, meaning)   uint8_t name;

struct fileserver_config;

/* The file server: a task of the first physmem, which serves one request after the other. */
struct scene_files {
    const struct fileserver_config *config; /* NULL: there is none */
    struct physmem_task *task;              /* NULL: it is away */
    bool hangs;
    bool waits; /* for frames, which it has asked for `victim` */
    uint32_t life;
    uint32_t container; /* its cache */
    struct chunks chunks;
    struct scene_part *part;     /* of each chunk */
    struct letter *first, *last; /* requests; the first is being served */
    uint32_t victim; /* chunk that the first request is to have; CHUNKS_NONE: none yet */
    uint64_t busy_until, wakes_at; /* and when it looks again */
    uint32_t trips;                /* round trips to physmem that the first request has taken */
    uint32_t recalled;             /* frames, which it has not released */
    uint32_t seq;                  /* of its last request */
    bool answered;
    struct physmem_effect reply; /* to that */
    struct {
        SP_FILESERVER_STATUS(SCENE_FILES_COUNTER, SCENE_FILES_STATE)
    } counted;
};

/* What has befallen a server. */
struct scene_server_state {
    bool away;
    bool hangs;
    bool struck; /* it has hung */
    uint32_t life;
    struct letter *kept, *kept_last; /* what it will read when it goes on */
};

/* Replies to a task that wait until memory is there: see play/letting.h. All zeros: none does. */
struct scene_holds {
    uint32_t waits; /* leases that are waited for */
    uint32_t life;  /* what waits for an earlier one does so in vain */
    struct letter *first, *last;
    uint64_t *lane; /* how they are sent */
    enum scene_event event;
};

/* An extent of a physmem that rests on another one: see play/letting.c. */
struct scene_home;

/* A question to the physmem above that is not answered: by its number there, and as its leases know it. */
struct scene_question {
    uint32_t seq, number;
    enum lessee_question_kind kind;
};

/* Rights that the physmem above has asked back, and so many answers of tasks that it waits for. */
struct scene_unmap {
    uint64_t id;
    uint32_t token, left;
};

/* What a physmem has of the one above it, whose task it is. Where no question and no news are under way,
 *
 *     held above == in the stock + in leases == those that the core has + machine.book.returning - machine.book.gone */
struct scene_lessee {
    struct scene_physmem *above; /* NULL: it is the first physmem, and has frames of its own */
    struct physmem_task *task;   /* above; NULL: it is not there */
    bool opens;                  /* answers are for its start, which waits for them: in `reply` */
    bool revoked;                /* all was taken above; it may not have heard of that */
    bool lost;                   /* and it is to end: see outage_lose */
    bool ending;
    struct physmem_effect reply;
    struct tenancy tenancy;
    struct lessee machine;    /* its leases; without words in its book: there are none yet */
    struct scene_home **home; /* by the handle's part that says which extent it is */
    uint32_t homes, home_room;
    struct scene_question *question;
    uint32_t questions, question_room;
    struct scene_unmap *unmap;
    uint32_t unmaps, unmap_room;
    uint32_t tokens; /* of these, so far */
    uint32_t news;   /* repossessions that it has not heard of */
    uint64_t up[2],
        down; /* when the last message of each connection arrives; it hears all by one */
    struct scene_holds holds; /* as a task of a physmem that rests on another one, too */
};

/* A physmem, and what surrounds it. */
struct scene_physmem {
    struct physmem *core; /* NULL: it is away */
    struct physmem_shell shell;
    uint32_t number;
    const char *name;
    struct scene_lessee lessee;
    struct physmem_status seen; /* its counters, when it is away */
};

struct scene {
    const struct allocator *allocator;
    const struct allocator *fresh; /* like `allocator`, but new memory is zeros */
    struct scene_physmem physmem[1 + SCENE_STACKED_MAX]; /* each above those that rest on it */
    uint32_t physmems;
    struct queue queue;
    struct device device;
    bool has_swap;
    struct rota turns; /* of actors whose letters wait for the device: see waiting.h */
    uint32_t
        bandwidth; /* pages a second, of all contracts for it; 0: there are none, and nothing waits */
    uint32_t promised;  /* of these */
    uint64_t turns_at;  /* when SCENE_TURNS comes next; UINT64_MAX: it does not */
    bool kernel_bits;   /* see struct play_config */
    bool device_struck; /* a fault has befallen it */
    struct scene_server_state server[SCENE_SERVERS];
    struct scene_files files;
    struct device_status swap_seen;         /* the counters of swap, when it is away */
    struct scene_table table[SCENE_TABLES]; /* for policy servers; the last one is used */
    uint32_t tables;
    bool rung, grown; /* physmem wants its policy server to look, to use another table */
    struct costs costs;
    uint64_t now;
    uint32_t seq;           /* of the latest request */
    uint64_t tokens;        /* of parts of contracts, given so far */
    uint32_t endings;       /* programs that have ended, counted */
    struct letter *letters; /* free ones */
    bool failed;            /* there was no memory */
    char wrong[SCENE_TEXT]; /* the first rule that was broken; "": none */
};

/* A scene without physmem and swap. The allocators outlive it. The struct must not move. */
void scene_init(struct scene *scene, const struct costs *costs, const struct allocator *allocator,
                const struct allocator *fresh);
void scene_fini(struct scene *scene);

/* A rule is broken: remember it, unless another one was before. */
void scene_wrong(struct scene *scene, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Something happens to an actor at a time. */
void scene_at(struct scene *scene, uint64_t when, enum scene_event event, uint32_t actor,
              uint32_t life, uint64_t value);

/* A letter to fill in, all zeros but for its lists; NULL without memory. scene_send or scene_drop takes it. */
struct letter *scene_letter(struct scene *scene);
void scene_drop(struct scene *scene, struct letter *letter);

/* Which server a physmem is. */
static inline enum scene_server scene_server_of(const struct scene_physmem *physmem)
{
    return physmem->number == 0 ? SCENE_PHYSMEM
                                : (enum scene_server)(SCENE_STACKED + physmem->number - 1);
}

/* The physmem that a server is; NULL: it is swap. */
static inline struct scene_physmem *scene_physmem_of(struct scene *scene, enum scene_server which)
{
    return which == SCENE_SWAP      ? NULL
           : which == SCENE_PHYSMEM ? &scene->physmem[0]
                                    : &scene->physmem[1 + which - SCENE_STACKED];
}

static inline struct scene_server_state *scene_state_of(struct scene *scene,
                                                        const struct scene_physmem *physmem)
{
    return &scene->server[scene_server_of(physmem)];
}

/* Whether all servers are there that a task of this physmem connects to. */
static inline bool scene_has_servers(const struct scene *scene, const struct scene_physmem *physmem)
{
    return !scene->server[scene_server_of(physmem)].away && !scene->server[SCENE_SWAP].away;
}

/* Send a letter, which arrives after half a round trip and `later`, behind all others of its lane, whose
 * last arrival *lane is. */
void scene_send(struct scene *scene, struct letter *letter, uint64_t *lane, enum scene_event event,
                uint64_t later);

#endif

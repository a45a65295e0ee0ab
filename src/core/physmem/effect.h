/* What physmem wants done outside: effects, as values. For the shells that carry them out (the
 * server, a world in virtual time, tests).
 *
 * After each input, and before the next one, take all effects in order with physmem_next_effect and
 * carry them out. Descriptors are opaque numbers that the shell chooses. Pointers in an effect are
 * valid until the next input. */
#ifndef CORE_PHYSMEM_EFFECT_H
#define CORE_PHYSMEM_EFFECT_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/contract.h>

struct physmem_task;
struct frame_stack;

#define PHYSMEM_MAPS_MAX 64u /* pieces in one reply to map */
#define PHYSMEM_SWAP_MAX 64u /* pages in one request to swap */
#define PHYSMEM_NO_SLOT  UINT32_MAX

/* What happened that the policy server may want to know: bits of PHYSMEM_POLICYSERVER_RING. */
#define PHYSMEM_RING_TASK  1u /* a task has come, or has other contracts */
#define PHYSMEM_RING_WANT  2u /* a task wanted extra frames that it did not get */
#define PHYSMEM_RING_SHORT 4u /* frames were recalled for requests within guarantees */
#define PHYSMEM_RINGS      8u

/* `count` slots from `start`. */
struct physmem_range {
    uint32_t start;
    uint32_t count;
};

/* One piece of a mapping. */
struct physmem_map_item {
    uint32_t slot;
    uint32_t count;
    uint32_t extent;
    uint32_t offset; /* pages */
    uint8_t rights;
    uint32_t descriptor; /* of the extent */
};

enum physmem_notice {
    PHYSMEM_EXPIRING = 0,
    PHYSMEM_EXPIRED = 1,
    PHYSMEM_AVAILABLE = 2,
};

/* How much a task could have: see struct sp_availability. */
struct physmem_availability {
    uint32_t available;
    uint32_t held;
    uint32_t promised;
    uint32_t pressure;
};

enum physmem_effect_kind {
    /* Replies, over the connection that the request came by. */
    PHYSMEM_REPLY_DONE,         /* count */
    PHYSMEM_REPLY_ALLOCATED,    /* allocated */
    PHYSMEM_REPLY_MAPPED,       /* mapped */
    PHYSMEM_REPLY_CONTAINER,    /* container */
    PHYSMEM_REPLY_AVAILABILITY, /* availability */
    PHYSMEM_REPLY_PART,         /* part */
    PHYSMEM_REPLY_STACK,        /* stack: send the descriptor, then close it */
    PHYSMEM_REPLY_SHARED,       /* shared */
    PHYSMEM_REPLY_ADOPTED,      /* adopted */
    PHYSMEM_REPLY_VERSION,      /* version */
    PHYSMEM_REPLY_SWAPPED,      /* swapped */
    PHYSMEM_REPLY_OFFER,        /* offer; the last of the replies */
    /* To be sent over the control connection. */
    PHYSMEM_SEND_RECALL,       /* recall */
    PHYSMEM_SEND_UNMAP,        /* unmap */
    PHYSMEM_SEND_NOTICE,       /* notice */
    PHYSMEM_SEND_CHANGED,      /* changed */
    PHYSMEM_SEND_WARNED,       /* warned; and tell the log */
    PHYSMEM_SEND_REPOSSESSED,  /* repossessed; and tell the log */
    PHYSMEM_SEND_AVAILABILITY, /* availability: answered by physmem_availability_heard */
    /* A breach: tell the task (control connection, if it has one) and the log. */
    PHYSMEM_SEND_REVOKED, /* revoked */
    PHYSMEM_CLOSE_CONTROL,
    PHYSMEM_KILL, /* send SIGKILL to the task's process */
    /* Extents. */
    PHYSMEM_EXTENT_CREATE,  /* extent: make `count` pages; answered by physmem_extent_ready */
    PHYSMEM_EXTENT_SEND,    /* extent: give the descriptor to the task (request connection) */
    PHYSMEM_EXTENT_PUNCH,   /* extent: clear `count` pages from `offset` now, or (`later`) soon */
    PHYSMEM_EXTENT_KEEP,    /* extent: the pages are in use again: those to clear soon stay */
    PHYSMEM_EXTENT_COPY,    /* move: copy pages, as they are now; replies wait until it is done */
    PHYSMEM_EXTENT_AUDIT,   /* extent: may have `count` pages; answered by physmem_audit_done */
    PHYSMEM_EXTENT_CUT,     /* extent: cut to its first `count` pages */
    PHYSMEM_EXTENT_DESTROY, /* extent: cut to nothing, close */
    /* The policy server: see core/physmem/policyserver.h. */
    PHYSMEM_POLICYSERVER_RING, /* ring: tell it; not again before physmem_policyserver_entitled */
    PHYSMEM_POLICYSERVER_GROW, /* a larger table is needed: answered by physmem_policyserver_table */
    /* The physmem above: see core/physmem/upstream.h. */
    PHYSMEM_UPSTREAM_ASK,      /* upstream: ask for frames; answered by physmem_upstream_granted */
    PHYSMEM_UPSTREAM_RETURN,   /* upstream: give back frames that it has recalled */
    PHYSMEM_UPSTREAM_UNMAPPED, /* unmapped: one of those that physmem_upstream_unmap has counted */
    /* The swap server: see core/physmem/swap.h. Each account is a client there. */
    PHYSMEM_SWAP_STORE,  /* store: answered by physmem_swap_stored */
    PHYSMEM_SWAP_LOAD,   /* load: answered by physmem_swap_loaded */
    PHYSMEM_SWAP_RETURN, /* unneeded: free a slot, and reserve fewer; no answer */
    PHYSMEM_SWAP_END,    /* unneeded: the account is no longer used */
    /* Frame stacks. */
    PHYSMEM_STACK_CREATE, /* stack: make one of at least `places`, zeros, of sealed size, and map it;
                              answered by physmem_stack_ready, with seq and control of the effect */
    PHYSMEM_STACK_DESTROY, /* stack: unmap it */
};

struct physmem_effect {
    enum physmem_effect_kind kind;
    uint32_t seq;              /* replies */
    uint32_t error;            /* replies: 0, or a positive errno value */
    bool control;              /* replies: the request came over the control connection */
    const char *text;          /* replies: static text about the error, or NULL */
    struct physmem_task *task; /* NULL: concerns no task that is there */
    union {
        uint32_t count;
        struct {
            uint32_t count;
            bool zeroed;
        } allocated;
        struct {
            uint32_t first; /* of physmem_map_items */
            uint32_t count;
        } mapped;
        struct {
            uint32_t container;
        } container;
        struct {            /* a weak reference was given */
            uint64_t token; /* 0: to a task by its number */
            uint64_t version;
            uint32_t container;
            uint32_t share; /* number */
        } shared;
        struct { /* and taken */
            uint64_t lock_ns;
            uint64_t version;
            uint32_t container;
            uint32_t owner; /* number of the task */
            uint32_t slots;
            uint8_t rights;
        } adopted;
        struct { /* the numbers of pages in swap: 0 where the page is back */
            const uint32_t *numbers;
            uint32_t count;
        } swapped;
        struct
        { /* physmem_map_items: slot is the handle of the page in swap; it lies at `offset` of the
                    descriptor now, or (rights 0) is zeros */
            uint32_t account;
            uint32_t
                reserve; /* slots that the account must have reserved more, before anything is stored */
            uint32_t first;
            uint32_t count;
        } store;
        struct
        { /* physmem_map_items: slot is the handle of the page in swap, extent its slot in the account whose
                    handle is in `descriptor`; it goes to page `offset` of the extent */
            uint32_t account; /* of the task that asks */
            uint32_t extent;
            uint32_t descriptor; /* of that */
            uint32_t first;
            uint32_t count;
        } load;
        struct {
            uint32_t account;
            uint32_t slot;   /* PHYSMEM_NO_SLOT: none */
            uint32_t refund; /* slots to be reserved no longer */
        } unneeded;
        struct {
            uint64_t version;
            uint64_t lock_ns; /* until the lock ends; 0: there is none */
            uint32_t locker;  /* number of the task; 0 */
        } version;
        struct {
            struct sp_offer offer;
            uint32_t change; /* counts what became of the contract: the higher, the newer */
            uint8_t state;
        } offer;
        struct {
            struct sp_part part;
            uint32_t change; /* of the contract */
        } part;
        struct { /* a contract changed, not by a request about it */
            uint32_t contract;
            uint32_t part;   /* split off from it, that this is about; 0: none */
            uint32_t frames; /* of the contract now */
            uint32_t change;
            uint8_t state; /* enum sp_contract_state */
            uint8_t why;   /* enum sp_reason */
        } changed;
        struct {
            uint64_t id;
            uint64_t grace;
            uint32_t frames;
            uint8_t unit;
            bool may_clean;
        } recall;
        struct {
            uint64_t id;
            uint64_t grace_ns; /* the answer may take so long */
            uint32_t container;
            struct physmem_range range;
            uint8_t rights;
        } unmap;
        struct {
            uint32_t token; /* of physmem_upstream_unmap */
            uint32_t referenced;
            uint32_t dirty; /* slots, as the task has told */
        } unmapped;
        struct {
            uint8_t what; /* enum physmem_notice */
            uint32_t contract;
            uint32_t guaranteed;
            uint32_t extra;
            uint32_t change; /* of the contract */
        } notice;
        struct physmem_availability availability;
        struct {         /* a deadline was missed, and there is another */
            uint64_t id; /* of the recall */
            uint64_t grace;
            uint64_t charged;
            uint32_t missing;
            uint32_t left; /* how many more misses are permitted */
            uint8_t unit;
        } warned;
        struct { /* slots were taken by force; physmem_map_items: slot and count of each piece */
            uint64_t id;
            uint32_t container;
            uint32_t first;
            uint32_t count; /* at most half of EXTENT_PAGES */
            uint32_t frames;
        } repossessed;
        struct {
            uint8_t reason;   /* enum sp_reason */
            uint32_t asked;   /* frames or pages that were asked for, or allowed */
            uint32_t missing; /* of these, not returned; or beyond what was allowed */
            uint32_t lost;    /* frames that are taken from the task */
        } revoked;
        struct {
            uint32_t extent;
            uint32_t descriptor;
            uint32_t offset;
            uint32_t count;
            bool read_only; /* PHYSMEM_EXTENT_SEND */
            bool later;     /* PHYSMEM_EXTENT_PUNCH: no reply waits for it */
        } extent;
        struct {
            uint32_t from; /* extents */
            uint32_t from_descriptor;
            uint32_t from_page;
            uint32_t to;
            uint32_t to_descriptor;
            uint32_t to_page;
            uint32_t count; /* pages */
        } move;
        uint32_t ring; /* PHYSMEM_RING_* */
        struct {
            uint32_t frames;
            bool extra; /* they may go beyond what contracts above promise */
        } upstream;
        struct {
            struct frame_stack *stack;
            uint32_t places;
            uint32_t descriptor;
        } stack;
    };
};

#endif

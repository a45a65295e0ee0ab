/* A physmem as the one that has leases of the physmem above: which questions move frames to where they are needed, and what
 * their answers mean (core/leases/lease_book.h says where frames can be).
 *
 * A state machine that does no I/O. The shell that has the connection calls it with what is wanted and with what comes from
 * above, and after each call carries out its effects, in their order:
 *
 *     lessee_ask, _return, _use, ...  ->  LESSEE_QUESTION  ->  the physmem above  ->  lessee_answered
 *
 * Each question is answered once, or the connection ends, and then nothing more is said to the machine. A question that fails
 * because the physmem above has taken frames back gives up the frames that it was about: the core then asks for what it is
 * promised. */
#ifndef LEASES_LESSEE_H
#define LEASES_LESSEE_H

#include "core/leases/lease_book.h"

#define LESSEE_BLANKS 4u /* containers above that are made before they are needed */

/* Most leases that it has at once: containers of one task above, less the stock, the blanks, and some that are about to
 * end. */
#define LESSEE_LEASES 240u

enum lessee_question_kind {
    LESSEE_CREATE, /* a container of `count` slots */
    LESSEE_EXCHANGE, /* frames go from the slots of one container to those of another, which have none */
    LESSEE_DEALLOCATE,
    LESSEE_ALLOCATE, /* `count` frames, all or, if `extra`, as many as there are */
    LESSEE_MAP,      /* the rights to read and write; with the first come the lease's memory */
    LESSEE_DESTROY,  /* the container */
};

struct lessee_question {
    enum lessee_question_kind kind;
    uint32_t number;    /* of the question; for lessee_answered */
    uint32_t container; /* whose slots these are; of an exchange, where frames come from */
    uint32_t start;
    uint32_t to; /* container of an exchange where frames go */
    uint32_t to_start;
    uint32_t count;
    bool extra;
};

/* Slots that may be touched. */
struct lessee_run {
    uint32_t start, count;
};

struct lessee_answer {
    uint32_t error;     /* 0, or a positive errno value */
    uint32_t container; /* CREATE: 0: there is none */
    uint32_t count;     /* ALLOCATE: frames; DESTROY: frames that the container had */
    /* MAP: what was mapped, and a descriptor of its memory: a number of the shell's, -1: none came. */
    const struct lessee_run *run;
    uint32_t runs;
    int fd;
};

enum lessee_effect_kind {
    LESSEE_NOTHING,
    LESSEE_QUESTION, /* question */
    LESSEE_READY,    /* owner: its lease was not ready, and is */
    LESSEE_REFUSED,  /* owner: the physmem above gives no descriptor for its lease */
    LESSEE_GRANTED,  /* frames: the answer to lessee_ask */
    LESSEE_TAKEN,    /* frames: are not held above any more, and the core does not know it */
    LESSEE_UNNEEDED, /* fd: a descriptor that nobody needs */
    LESSEE_FAILED, /* what: there is no memory, or the physmem above refuses what it must not. The last one */
};

struct lessee_effect {
    enum lessee_effect_kind kind;
    union {
        struct lessee_question question;
        void *owner;
        uint32_t frames;
        int fd;
        const char *what; /* static */
    };
};

/* A question that is not answered. */
struct lessee_job;

/* jobs of all leases == what `job` lists of each, for its `from` and its `to` */
struct lessee {
    struct lease_book book; /* first */
    struct lessee_job *job; /* all that are open */
    struct lessee_effect *effect;
    uint32_t effects, effect_next, effect_room;
    uint32_t number;  /* of the last question */
    uint32_t granted; /* of the frames that lessee_ask has asked for */
    uint32_t pieces;  /* questions for these under way */
    uint32_t blank[LESSEE_BLANKS];
    uint32_t blanks;
    uint32_t blanks_coming;
    bool failed;         /* nothing more is done */
    const char *failure; /* why; NULL: it was said, or there is none */
};

/* `held` of at most `frames` frames lie in the first slots of `container`, see lease_book_init. Asks nothing yet. Returns 0 or
 * -ENOMEM. */
int lessee_init(struct lessee *lessee, const struct allocator *allocator, uint32_t frames,
                uint32_t container, uint32_t held);

/* Free all. Descriptors of leases are their owners' to close. */
void lessee_fini(struct lessee *lessee);

/* The next effect; false: there is none. */
bool lessee_next_effect(struct lessee *lessee, struct lessee_effect *effect);

/* Begin to ask. */
void lessee_start(struct lessee *lessee);

/* Nothing more is done from now on: LESSEE_FAILED says why, if it is the first time. The text is static. */
void lessee_fail(struct lessee *lessee, const char *what);

/* The answer to a question. */
void lessee_answered(struct lessee *lessee, uint32_t number, const struct lessee_answer *answer);

/* ---- What the core wants ---- */

/* Frames; LESSEE_GRANTED follows, before which there is no other such call. */
void lessee_ask(struct lessee *lessee, uint32_t frames, bool extra);

/* Give frames back, as soon as some are spare; those that were taken already are counted. */
void lessee_return(struct lessee *lessee, uint32_t frames);

/* ---- Leases ---- */

/* A lease of `pages` pages, none of them used. NULL: no memory. */
struct lease *lessee_new(struct lessee *lessee, void *owner, uint32_t pages);

/* Pages are used from now on; LESSEE_READY follows, unless the lease is ready or lost. */
void lessee_use(struct lease *lease, uint32_t first, uint32_t count);

/* The descriptor is there, and all used pages are mapped. */
bool lessee_is_ready(const struct lease *lease);

/* Pages are not used any more, and dirty; pages are clean again. */
void lessee_soil(struct lease *lease, uint32_t first, uint32_t count);
void lessee_clean(struct lease *lease, const uint64_t dirty[PAGES_WORDS]);

/* The owner has cut the memory to nothing and closed it: the frames go to the stock. No effect names it any more. */
void lessee_end(struct lease *lease);

/* ---- What the physmem above says by itself ---- */

/* It wants the rights to slots of a container back. They are asked for again when the pages are used again. Returns the owner
 * of the lease, whose pages the slots are; NULL: it has ended, or it was the stock. */
void *lessee_unmapped(struct lessee *lessee, uint32_t container, const struct lessee_run *run,
                      uint32_t runs);

/* Slots of a container were repossessed. Returns the owner of the lease that is lost with all its pages; NULL: it was the
 * stock, or a lease that has ended. */
void *lessee_repossessed(struct lessee *lessee, uint32_t container, const struct lessee_run *run,
                         uint32_t runs);

#endif

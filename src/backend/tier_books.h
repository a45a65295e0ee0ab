/* Which pages lie on the fast device of a tier, and which of them go down: books, without I/O and without a lock.
 *
 * A hand goes round the fast device when room is needed. Each use of a page lets it stay for one more round, up to
 * TIER_SCORE_MOST; a page that was not used again since it was stored stays for none. */
#ifndef BACKEND_TIER_BOOKS_H
#define BACKEND_TIER_BOOKS_H

#include <stdbool.h>
#include <stdint.h>

#define TIER_BATCH      16u /* pages that go down together */
#define TIER_SCORE_MOST 7u
#define TIER_NONE       UINT32_MAX

/* A page of the fast device. */
struct tier_spot {
    uint32_t page; /* that lies there, or TIER_NONE */
    uint16_t pins; /* transfers that are under way */
    bool taken;    /* not on the list of free spots */
};

/* How much a page is used. */
struct tier_usage {
    uint32_t round; /* of its last use */
    uint8_t score;  /* rounds since then that it may stay */
    bool known;     /* it has been written, and not been discarded */
    bool moving;    /* it goes down */
};

/* Pages that go down. */
struct tier_descent {
    uint32_t page[TIER_BATCH];
    uint32_t spot[TIER_BATCH];
    uint32_t count;
};

/* For each page:  place[page] = i  <=>  spot[i].page = page.  A spot that is not taken has no page and no pins, and
 * is on the list of free ones. */
struct tier_books {
    uint32_t pages;
    uint32_t spots;
    struct tier_spot *spot;
    uint32_t *free; /* a stack */
    uint32_t free_count;
    uint32_t hand;
    uint32_t round;
    uint32_t *place;          /* of each page: its spot; TIER_NONE: it is on the slow device */
    struct tier_usage *usage; /* of each page */
};

/* Books of pages that are all on the slow device. Returns 0 or -ENOMEM; tier_books_fini is good after either. */
int tier_books_init(struct tier_books *books, uint32_t pages, uint32_t spots);
void tier_books_fini(struct tier_books *books);

/* A spot that is free, pinned; or TIER_NONE. */
uint32_t tier_books_take(struct tier_books *books);

/* A pinned spot is not handed out. */
void tier_books_pin(struct tier_books *books, uint32_t number);
void tier_books_unpin(struct tier_books *books, uint32_t number);

/* A page lies at this spot, or no longer on the fast device. */
void tier_books_enter(struct tier_books *books, uint32_t page, uint32_t number);
void tier_books_leave(struct tier_books *books, uint32_t page);

/* A page is used. */
void tier_books_use(struct tier_books *books, uint32_t page);

/* Rounds that a page may still stay. */
uint32_t tier_books_score(const struct tier_books *books, uint32_t page);

/* Choose pages that go down, and pin their spots: those that may not stay in this round, or in the first one that
 * has some. */
void tier_books_choose(struct tier_books *books, struct tier_descent *descent);

#endif

/* Places on the ring of a clock that pages have left which were evicted in advance.
 *
 * In a replay, and on the clocks of the papers, a page comes in where one was evicted for it. A live task evicts pages in
 * advance, so that the hand has gone on before others come: they would come in side by side, just behind the hand, and
 * not each where the hand was when its frame came free. Therefore each page that is evicted there leaves a place, and a
 * page that comes in takes the place that was left first. A place is on the ring like a page, with a number that no
 * page has; a hand passes it.
 *
 * In a replay there are none. */
#ifndef POLICY_PLACES_H
#define POLICY_PLACES_H

#include <stdbool.h>

#include <selfpage/page_list.h>
#include <selfpage/policy.h>

/* More than a live task evicts in advance. Pages that leave when there are so many leave none. */
#define PLACES_MOST 64u

/* Zeros are valid, but for the first member. */
struct places {
    uint32_t first_number; /* places are numbered from here on; pages, below */
    uint32_t oldest;       /* the place that was left first, counted from there */
    uint32_t count;        /* places on the ring */
};

/* Links that a ring of pages below `pages` needs. */
static inline size_t places_links(uint32_t pages)
{
    return (size_t)pages + PLACES_MOST;
}

static inline bool places_is_one(const struct places *places, sp_page page)
{
    return page >= places->first_number;
}

/* A page was evicted and is off the ring: leave a place at the front, just behind the hand. */
static inline void places_leave(struct places *places, struct sp_list *ring, struct sp_link *links)
{
    if (places->count == PLACES_MOST)
        return;
    sp_list_push_front(ring, links,
                       places->first_number + (places->oldest + places->count) % PLACES_MOST);
    places->count++;
}

/* Put `page`, which is not on the ring, where the place is that was left first; at the front if there is none. */
static inline void places_take(struct places *places, struct sp_list *ring, struct sp_link *links,
                               sp_page page)
{
    sp_page place = places->first_number + places->oldest;

    if (places->count == 0) {
        sp_list_push_front(ring, links, page);
        return;
    }
    places->oldest = (places->oldest + 1) % PLACES_MOST;
    places->count--;
    links[page] = links[place];
    links[place] = (struct sp_link){0, 0};
    if (links[page].prev_plus1 != 0)
        links[links[page].prev_plus1 - 1].next_plus1 = page + 1;
    else
        ring->front_plus1 = page + 1;
    if (links[page].next_plus1 != 0)
        links[links[page].next_plus1 - 1].prev_plus1 = page + 1;
    else
        ring->back_plus1 = page + 1;
}

#endif

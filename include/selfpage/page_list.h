/* Selfpage: doubly linked lists of page numbers, for eviction policies.
 *
 * Links live in an array indexed by page (8 bytes a page), so a list needs no allocation, and a
 * page may be on one list per array. Memory filled with zeros is a set of empty lists: numbers are
 * stored plus one. All operations take constant time; none checks its arguments. */
#ifndef SELFPAGE_PAGE_LIST_H
#define SELFPAGE_PAGE_LIST_H

#include <selfpage/policy.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Neighbours of one page; all zeros for a page that is on no list. */
struct sp_link {
    uint32_t next_plus1; /**< towards the back */
    uint32_t prev_plus1; /**< towards the front */
};

/** A list; all zeros is an empty one. */
struct sp_list {
    uint32_t front_plus1;
    uint32_t back_plus1;
    uint32_t count; /**< pages on the list */
};

/** The first page, or SP_NO_PAGE (0 - 1) if the list is empty. */
static inline sp_page sp_list_front(const struct sp_list *list)
{
    return list->front_plus1 - 1;
}

/** The last page, or SP_NO_PAGE if the list is empty. */
static inline sp_page sp_list_back(const struct sp_list *list)
{
    return list->back_plus1 - 1;
}

/** The page behind `page`, or SP_NO_PAGE at the back. */
static inline sp_page sp_list_next(const struct sp_link *links, sp_page page)
{
    return links[page].next_plus1 - 1;
}

/** The page before `page`, or SP_NO_PAGE at the front. */
static inline sp_page sp_list_prev(const struct sp_link *links, sp_page page)
{
    return links[page].prev_plus1 - 1;
}

/** Put `page`, which is on no list of this array, at the front. */
static inline void sp_list_push_front(struct sp_list *list, struct sp_link *links, sp_page page)
{
    links[page].next_plus1 = list->front_plus1;
    links[page].prev_plus1 = 0;
    if (list->front_plus1 != 0)
        links[list->front_plus1 - 1].prev_plus1 = page + 1;
    else
        list->back_plus1 = page + 1;
    list->front_plus1 = page + 1;
    list->count++;
}

/** Put `page`, which is on no list of this array, at the back. */
static inline void sp_list_push_back(struct sp_list *list, struct sp_link *links, sp_page page)
{
    links[page].prev_plus1 = list->back_plus1;
    links[page].next_plus1 = 0;
    if (list->back_plus1 != 0)
        links[list->back_plus1 - 1].next_plus1 = page + 1;
    else
        list->front_plus1 = page + 1;
    list->back_plus1 = page + 1;
    list->count++;
}

/** Take `page`, which is on this list, off it. */
static inline void sp_list_remove(struct sp_list *list, struct sp_link *links, sp_page page)
{
    struct sp_link *link = &links[page];

    if (link->prev_plus1 != 0)
        links[link->prev_plus1 - 1].next_plus1 = link->next_plus1;
    else
        list->front_plus1 = link->next_plus1;
    if (link->next_plus1 != 0)
        links[link->next_plus1 - 1].prev_plus1 = link->prev_plus1;
    else
        list->back_plus1 = link->prev_plus1;
    link->next_plus1 = 0;
    link->prev_plus1 = 0;
    list->count--;
}

/** Move `page`, which is on this list, to its front. */
static inline void sp_list_to_front(struct sp_list *list, struct sp_link *links, sp_page page)
{
    if (list->front_plus1 != page + 1) {
        sp_list_remove(list, links, page);
        sp_list_push_front(list, links, page);
    }
}

#ifdef __cplusplus
}
#endif
#endif

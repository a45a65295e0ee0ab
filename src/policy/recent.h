/* The pages inserted last, which are not to be watched yet in a live task: one instruction may
 * refer to several (a copy between unaligned places: four), and would never end if the fault on one
 * closed another.
 *
 * A mapped page counts as referenced there. A policy that asks which new pages are used therefore
 * watches each one as soon as it is not among these: then its bit tells of references that came
 * after. Of a page that is among them the bit tells nothing. */
#ifndef POLICY_RECENT_H
#define POLICY_RECENT_H

#include <selfpage/page_list.h>
#include <selfpage/policy.h>

#define RECENT_PAGES 8u

/* Zeros are valid. */
struct recent {
    uint32_t page_plus1[RECENT_PAGES];
    uint32_t next;
};

/* Note that `page` has been inserted. Returns the page that is among the last no longer, or
 * SP_NO_PAGE; it may have left meanwhile, and be back. */
static inline sp_page recent_add(struct recent *recent, sp_page page)
{
    uint32_t *place = &recent->page_plus1[recent->next++ % RECENT_PAGES];
    sp_page oldest = *place - 1;

    *place = page + 1;
    return oldest != page ? oldest : SP_NO_PAGE;
}

/* True in a live task if the page is among the last: its bit tells nothing. */
static inline bool recent_hides(const struct recent *recent, const struct sp_policy_env *env,
                                sp_page page)
{
    if (env->sees_all)
        return false;
    for (uint32_t i = 0; i < RECENT_PAGES; i++)
        if (recent->page_plus1[i] == page + 1)
            return true;
    return false;
}

/* The same for a policy with one list of pages, to which `page` has been added: note it, and watch
 * the page that is among the last no longer. Nothing in a replay. */
static inline void recent_listed(struct recent *recent, struct sp_policy_env *env,
                                 const struct sp_list *list, const struct sp_link *links,
                                 sp_page page)
{
    if (env->sees_all)
        return;
    page = recent_add(recent, page);
    if (page == SP_NO_PAGE)
        return;
    if (links[page].next_plus1 != 0 || links[page].prev_plus1 != 0 || sp_list_front(list) == page)
        env->watch(env, page);
}

#endif

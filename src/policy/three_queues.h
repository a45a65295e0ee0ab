/* The three queues of S3-FIFO and its descendants: a small queue on probation, a main one, and ghosts.
 *
 *     insert --> [ window | small ] --> [ main ] --> victim
 *                             |            ^
 *                             +--> [ ghost ]+
 *
 * A page comes in at the head of the small queue. The newest of its pages are in the window, where references
 * are not counted: there may be no window. At the end of the small queue a page goes on to the main one if enough
 * references were counted, and leaves as a ghost otherwise. A ghost that comes back goes to the main queue, or,
 * with `again`, on probation once more. The main queue gives a page another turn for each reference counted.
 *
 * In a live task a page is watched for references as soon as it is neither one of the newest nor in the window, and again
 * after each that was seen, as long as another one makes a difference. A page that comes to the end of the small queue
 * while it is one of the newest has not shown anything, and leaves.
 *
 * A policy has these functions in its table; its init calls three_queues_init. */
#ifndef POLICY_THREE_QUEUES_H
#define POLICY_THREE_QUEUES_H

#include "policy/queues.h"
#include "policy/recent.h"

struct three_queues_settings {
    double small;        /* share of the frames for the small queue; it has one at least */
    double ghost;        /* ghosts remembered, as a share of the frames */
    double window;       /* share of the small queue in which references are not counted */
    bool window_up;      /* a part of a page in the window counts as a page */
    unsigned move;       /* references counted in the small queue that make a page go on */
    unsigned count_most; /* references counted, 3 at most */
    bool again; /* only a ghost that comes back for the second time goes to the main queue */
    bool fill;  /* the main queue takes pages, too, while no page was evicted */
    bool
        bit_counts; /* live: the main queue watches a page once a turn, and what its bit tells counts one more */
};

struct three_queues {
    struct sp_policy_env *env;
    struct three_queues_settings settings;
    uint32_t frames;
    uint32_t small_most;
    uint32_t window_most;
    uint32_t ghosts_most;
    bool filling;         /* nothing was evicted yet, and that makes a difference */
    struct recent recent; /* new pages, which are not yet watched */
    struct queues queues;
    struct sp_link memory[];
};

size_t three_queues_size(const struct sp_policy_config *config);
void three_queues_init(struct three_queues *three, const struct sp_policy_config *config,
                       const struct three_queues_settings *settings);

/* As in struct sp_policy. */
void three_queues_insert(void *self, sp_page page, enum sp_access access);
void three_queues_hit(void *self, sp_page page, enum sp_access access);
sp_page three_queues_victim(void *self, sp_page incoming);
void three_queues_remove(void *self, sp_page page, enum sp_removal why);
void three_queues_resize(void *self, uint32_t frames);
void three_queues_hint(void *self, sp_page page, enum sp_hint hint);

#endif

/* Pages on the queues of a policy, and what it notes of each: a pair of links and one byte a page.
 *
 * A page is on one queue at most; its byte says on which, holds a small number that the policy may
 * use as it likes (its note), and remembers the queue of a page that is away: pinned, or skipped as
 * a victim, and to be inserted again. Queues may be of resident pages or of ghosts (pages that left
 * and are remembered): only their numbers are remembered.
 *
 * Memory filled with zeros is a set of empty queues, and pages that are nowhere. */
#ifndef POLICY_QUEUES_H
#define POLICY_QUEUES_H

#include <selfpage/page_list.h>

/* Queue numbers. A policy counts its own from QUEUE_FIRST; there is room for 14. */
enum {
    QUEUE_NONE = 0,
    QUEUE_DOOMED = 1, /* resident, and named as not worth keeping by the program */
    QUEUE_FIRST = 2,
    QUEUES = 16,
};

#define QUEUE_MASK 0x0fu
#define NOTE_MASK  0x70u
#define NOTE_SHIFT 4
#define NOTE_MOST  7u /* largest note */
#define AWAY       0x80u

struct queues {
    struct sp_policy_env *env;
    struct sp_link *links; /* both by page, and inside the policy's state */
    uint8_t *bytes;
    struct sp_list lists[QUEUES];
};

/* Bytes that queues of `pages` pages take besides the struct. */
static inline size_t queues_size(uint32_t pages)
{
    return (size_t)pages * (sizeof(struct sp_link) + 1);
}

/* Take `memory`, of queues_size(config->pages) zeros, aligned as the links are. */
static inline void queues_init(struct queues *queues, void *memory,
                               const struct sp_policy_config *config)
{
    queues->env = config->env;
    queues->links = memory;
    queues->bytes = (uint8_t *)(queues->links + config->pages);
}

/* The queue that a page is on; QUEUE_NONE if it is on none, or away. */
static inline unsigned queue_of(const struct queues *queues, sp_page page)
{
    unsigned byte = queues->bytes[page];

    return byte & AWAY ? QUEUE_NONE : byte & QUEUE_MASK;
}

static inline unsigned queue_note(const struct queues *queues, sp_page page)
{
    return (queues->bytes[page] & NOTE_MASK) >> NOTE_SHIFT;
}

static inline void queue_set_note(struct queues *queues, sp_page page, unsigned note)
{
    queues->bytes[page] = (uint8_t)((queues->bytes[page] & ~NOTE_MASK) | note << NOTE_SHIFT);
}

static inline uint32_t queue_count(const struct queues *queues, unsigned queue)
{
    return queues->lists[queue].count;
}

/* The page that has been on the queue for longest; SP_NO_PAGE if it is empty. */
static inline sp_page queue_back(const struct queues *queues, unsigned queue)
{
    return sp_list_back(&queues->lists[queue]);
}

/* Put a page that is on no queue at the front of one. Its note stays. */
static inline void queue_push(struct queues *queues, sp_page page, unsigned queue)
{
    sp_list_push_front(&queues->lists[queue], queues->links, page);
    queues->bytes[page] = (uint8_t)((queues->bytes[page] & NOTE_MASK) | queue);
}

/* The same at the back. */
static inline void queue_push_back(struct queues *queues, sp_page page, unsigned queue)
{
    sp_list_push_back(&queues->lists[queue], queues->links, page);
    queues->bytes[page] = (uint8_t)((queues->bytes[page] & NOTE_MASK) | queue);
}

/* Take a page off the queue it is on, and its note off. */
static inline void queue_clear(struct queues *queues, sp_page page)
{
    sp_list_remove(&queues->lists[queues->bytes[page] & QUEUE_MASK], queues->links, page);
    queues->bytes[page] = 0;
}

/* Forget all about a page that is not resident any more, and tell the engine. */
static inline void queue_forget(struct queues *queues, sp_page page)
{
    queue_clear(queues, page);
    if (queues->env->forgotten != NULL)
        queues->env->forgotten(queues->env, page);
}

/* Move a page from the queue it is on to the front of one, perhaps the same. Its note stays. */
static inline void queue_move(struct queues *queues, sp_page page, unsigned queue)
{
    unsigned from = queues->bytes[page] & QUEUE_MASK;

    if (from == queue) {
        sp_list_to_front(&queues->lists[queue], queues->links, page);
        return;
    }
    sp_list_remove(&queues->lists[from], queues->links, page);
    queue_push(queues, page, queue);
}

/* Take a page off the queue it is on, noting that it will come back to `queue`. */
static inline void queue_away(struct queues *queues, sp_page page, unsigned queue)
{
    sp_list_remove(&queues->lists[queues->bytes[page] & QUEUE_MASK], queues->links, page);
    queues->bytes[page] = (uint8_t)((queues->bytes[page] & NOTE_MASK) | queue | AWAY);
}

/* The queue to which a page that is away will come back; QUEUE_NONE for any other page. */
static inline unsigned queue_home(const struct queues *queues, sp_page page)
{
    unsigned byte = queues->bytes[page];

    return byte & AWAY ? byte & QUEUE_MASK : QUEUE_NONE;
}

/* A resident page is pinned or skipped: it comes back to where it was. One that was doomed has been
 * looked at again, and comes back as a new page does. */
static inline void queue_suspend(struct queues *queues, sp_page page)
{
    if (queue_of(queues, page) == QUEUE_DOOMED)
        queue_clear(queues, page);
    else
        queue_away(queues, page, queue_of(queues, page));
}

/* Forget the oldest pages of a queue of ghosts until `most` are left. Each has been added once, so
 * that this is constant time for each page added. */
static inline void queue_trim(struct queues *queues, unsigned queue, uint32_t most)
{
    struct sp_list *list = &queues->lists[queue];

    while (list->count > most)
        queue_forget(queues, sp_list_back(list));
}

#endif

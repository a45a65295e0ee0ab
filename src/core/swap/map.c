/* The books of the swap device. */
#include "core/swap/map.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/assert.h"

#define WORD_BITS 64u

/* Clients that the first swap_map_add makes room for. */
#define CLIENTS_FIRST 16u

/* A run of free slots that a search has met. */
struct slot_run {
    uint32_t start;
    uint32_t length;
};

static void *memory_new(struct swap_map *map, size_t size)
{
    void *memory = map->allocator.resize(map->allocator.context, NULL, 0, size);

    check(size > 0);
    if (memory != NULL)
        memset(memory, 0, size);
    return memory;
}

static void memory_free(struct swap_map *map, void *memory, size_t size)
{
    check(memory == NULL || size > 0);
    if (memory != NULL)
        map->allocator.resize(map->allocator.context, memory, size, 0);
}

static void bit_set(struct swap_map *map, uint32_t slot)
{
    check(slot < map->slots && map->slot[slot].state == SWAP_SLOT_FREE);
    map->free[slot / WORD_BITS] |= UINT64_C(1) << slot % WORD_BITS;
}

static void bit_clear(struct swap_map *map, uint32_t slot)
{
    check(slot < map->slots && (map->free[slot / WORD_BITS] >> slot % WORD_BITS & 1) != 0);
    map->free[slot / WORD_BITS] &= ~(UINT64_C(1) << slot % WORD_BITS);
}

int swap_map_init(struct swap_map *map, uint32_t slots, struct allocator allocator)
{
    memset(map, 0, sizeof(*map));
    if (slots == 0 || slots >= SWAP_ZERO)
        return -EINVAL;
    map->allocator = allocator;
    map->slots = slots;
    map->words = (slots - 1) / WORD_BITS + 1;
    map->free = memory_new(map, map->words * sizeof(*map->free));
    map->slot = memory_new(map, slots * sizeof(*map->slot));
    if (map->free == NULL || map->slot == NULL) {
        swap_map_fini(map);
        return -ENOMEM;
    }
    memset(map->free, 0xff, map->words * sizeof(*map->free));
    if (slots % WORD_BITS != 0)
        map->free[map->words - 1] = (UINT64_C(1) << slots % WORD_BITS) - 1;
    for (uint32_t i = 0; i < slots; i++)
        map->slot[i].client = SWAP_NONE;
    check(map->used == 0 && map->reserved == 0 && map->leaving == 0);
    return 0;
}

/* Longer arrays for `slots` slots, the new ones all zeros. Without memory for both, words that no slot needs
 * may be left. */
static int arrays_grow(struct swap_map *map, uint32_t slots)
{
    const struct allocator *allocator = &map->allocator;
    uint32_t words = (slots - 1) / WORD_BITS + 1;
    struct swap_slot *slot;
    uint64_t *free;

    check(slots > map->slots && map->slots > 0);
    if (words > map->words) {
        free = allocator->resize(allocator->context, map->free, map->words * sizeof(*free),
                                 words * sizeof(*free));
        if (free == NULL)
            return -ENOMEM;
        memset(free + map->words, 0, (words - map->words) * sizeof(*free));
        map->free = free;
        map->words = words;
    }
    slot = allocator->resize(allocator->context, map->slot, map->slots * sizeof(*slot),
                             slots * sizeof(*slot));
    if (slot == NULL)
        return -ENOMEM;
    memset(slot + map->slots, 0, (slots - map->slots) * sizeof(*slot));
    map->slot = slot;
    return 0;
}

int swap_map_grow(struct swap_map *map, uint32_t add)
{
    uint32_t before = map->slots;

    check(map->slots > 0 && map->used + map->leaving <= map->slots);
    if (add == 0)
        return 0;
    if (add >= SWAP_ZERO - before)
        return -EINVAL;
    if (arrays_grow(map, before + add) < 0)
        return -ENOMEM;
    map->slots = before + add;
    for (uint32_t i = before; i < map->slots; i++) {
        map->slot[i].client = SWAP_NONE;
        bit_set(map, i);
    }
    return 0;
}

void swap_map_fini(struct swap_map *map)
{
    check(map->used <= map->reserved && map->reserved <= map->slots);
    memory_free(map, map->free, map->words * sizeof(*map->free));
    memory_free(map, map->slot, map->slots * sizeof(*map->slot));
    memory_free(map, map->client, map->room * sizeof(*map->client));
    memset(map, 0, sizeof(*map));
}

/* The client of that number, or NULL. */
static struct swap_client *client_find(const struct swap_map *map, uint32_t client)
{
    if (client >= map->room || !map->client[client].present)
        return NULL;
    check(map->client[client].used <= map->client[client].reserved);
    return &map->client[client];
}

const struct swap_client *swap_map_client(const struct swap_map *map, uint32_t client)
{
    return client_find(map, client);
}

/* Make client[] reach up to `client`. */
static int clients_grow(struct swap_map *map, uint32_t client)
{
    uint32_t room = map->room == 0 ? CLIENTS_FIRST : map->room;
    struct swap_client *clients;

    while (room <= client)
        room *= 2;
    if (room == map->room)
        return 0;
    clients = map->allocator.resize(map->allocator.context, map->client,
                                    map->room * sizeof(*clients), room * sizeof(*clients));
    if (clients == NULL)
        return -ENOMEM;
    memset(clients + map->room, 0, (room - map->room) * sizeof(*clients));
    check(room > client && room >= 2 * map->room);
    map->client = clients;
    map->room = room;
    return 0;
}

int swap_map_add(struct swap_map *map, uint32_t client, uint32_t quota)
{
    int error;

    if (client >= SWAP_CLIENTS_MAX)
        return -EINVAL;
    if (client_find(map, client) != NULL)
        return -EEXIST;
    error = clients_grow(map, client);
    if (error < 0)
        return error;
    map->client[client] = (struct swap_client){.first = SWAP_NONE, .quota = quota, .present = 1};
    map->clients++;
    check(map->clients <= map->room);
    return 0;
}

/* Give a free slot an owner. */
static void slot_take(struct swap_map *map, uint32_t number, uint32_t client,
                      enum swap_slot_state state)
{
    struct swap_slot *slot = &map->slot[number];
    struct swap_client *owner = &map->client[client];

    ensure(slot->state == SWAP_SLOT_FREE && slot->pins == 0 && slot->client == SWAP_NONE);
    ensure(owner->present && owner->used < owner->reserved);
    bit_clear(map, number);
    slot->client = client;
    slot->state = (uint8_t)state;
    slot->prev = SWAP_NONE;
    slot->next = owner->first;
    if (owner->first != SWAP_NONE)
        map->slot[owner->first].prev = number;
    owner->first = number;
    owner->used++;
    map->used++;
    check(map->used + map->leaving <= map->slots);
}

/* A slot without owner and pins becomes free. */
static void slot_release(struct swap_map *map, uint32_t number)
{
    check(number < map->slots);
    ensure(map->slot[number].pins == 0 && map->slot[number].client == SWAP_NONE);
    map->slot[number].state = SWAP_SLOT_FREE;
    map->slot[number].checksum = 0;
    bit_set(map, number);
}

/* Take a slot from its owner: it becomes FREE, or LEAVING if it is pinned. */
static void slot_give_up(struct swap_map *map, uint32_t number)
{
    struct swap_slot *slot = &map->slot[number];
    struct swap_client *owner;

    ensure(slot->state == SWAP_SLOT_WRITING || slot->state == SWAP_SLOT_STORED);
    owner = &map->client[slot->client];
    ensure(owner->used > 0 && map->used >= owner->used);
    if (slot->next != SWAP_NONE)
        map->slot[slot->next].prev = slot->prev;
    if (slot->prev != SWAP_NONE)
        map->slot[slot->prev].next = slot->next;
    else
        owner->first = slot->next;
    slot->client = SWAP_NONE;
    owner->used--;
    map->used--;
    if (slot->pins == 0) {
        slot_release(map, number);
    } else {
        slot->state = SWAP_SLOT_LEAVING;
        map->leaving++;
    }
    check(map->used + map->leaving <= map->slots);
}

/* One pin of a slot ends. */
static void slot_unpin(struct swap_map *map, uint32_t number)
{
    struct swap_slot *slot = &map->slot[number];

    ensure(slot->pins > 0 && slot->state != SWAP_SLOT_FREE);
    slot->pins--;
    if (slot->state == SWAP_SLOT_LEAVING && slot->pins == 0) {
        ensure(map->leaving > 0);
        map->leaving--;
        slot_release(map, number);
    }
}

int swap_map_remove(struct swap_map *map, uint32_t client)
{
    struct swap_client *leaver = client_find(map, client);

    if (leaver == NULL)
        return -ENOENT;
    while (leaver->first != SWAP_NONE)
        slot_give_up(map, leaver->first);
    ensure(leaver->used == 0 && map->reserved >= leaver->reserved && map->clients > 0);
    map->reserved -= leaver->reserved;
    leaver->present = 0;
    map->clients--;
    check(map->used <= map->reserved);
    return 0;
}

int swap_map_quota(struct swap_map *map, uint32_t client, uint32_t quota)
{
    struct swap_client *found = client_find(map, client);

    if (found == NULL)
        return -ENOENT;
    check(found->present && found->used <= found->reserved);
    found->quota = quota;
    return 0;
}

int swap_map_reserve(struct swap_map *map, uint32_t client, uint32_t add, uint32_t subtract)
{
    struct swap_client *asker = client_find(map, client);
    uint64_t wanted;

    if (asker == NULL)
        return -ENOENT;
    wanted = (uint64_t)asker->reserved + add;
    if (subtract > wanted)
        return -EINVAL;
    wanted -= subtract;
    if (wanted < asker->used)
        return -EBUSY;
    if (wanted > asker->reserved) {
        if (wanted > asker->quota)
            return -EDQUOT;
        if (wanted - asker->reserved > map->slots - map->reserved)
            return -ENOSPC;
    }
    map->reserved = (uint32_t)(map->reserved + wanted - asker->reserved);
    asker->reserved = (uint32_t)wanted;
    ensure(map->reserved <= map->slots && asker->used <= asker->reserved);
    return 0;
}

/* The free slots of [from, to) with the lowest numbers, as one run cut at `most` slots; length 0 if
 * there are none. */
static struct slot_run run_next(const struct swap_map *map, uint32_t from, uint32_t to,
                                uint32_t most)
{
    struct slot_run run = {.start = to};
    uint32_t word = from / WORD_BITS;
    uint32_t end;
    uint64_t bits;

    if (from >= to)
        return run;
    bits = map->free[word] & ~UINT64_C(0) << from % WORD_BITS;
    while (bits == 0) {
        word++;
        if (word * WORD_BITS >= to)
            return run;
        bits = map->free[word];
    }
    run.start = word * WORD_BITS + (uint32_t)__builtin_ctzll(bits);
    if (run.start >= to)
        return run;
    end = run.start;
    for (;;) {
        bits = ~map->free[end / WORD_BITS] >> end % WORD_BITS;
        if (bits != 0) {
            end += (uint32_t)__builtin_ctzll(bits);
            break;
        }
        end += WORD_BITS - end % WORD_BITS;
        if (end >= to || end - run.start >= most)
            break;
    }
    if (end > to)
        end = to;
    run.length = end - run.start < most ? end - run.start : most;
    check(run.start >= from && run.length <= most && run.start + run.length <= to);
    return run;
}

/* A search goes once round the device, from the cursor to the end and from 0 to the cursor. */
struct search {
    uint32_t origin; /* where it started */
    uint32_t next;   /* slot to look at */
    uint32_t end;    /* of the half under way */
    bool second;     /* it is the second half */
};

static struct search search_start(const struct swap_map *map)
{
    check(map->cursor < map->slots);
    return (struct search){.origin = map->cursor, .next = map->cursor, .end = map->slots};
}

/* The next run of free slots, cut at `most`; length 0 when the search has been all round. */
static struct slot_run search_next(const struct swap_map *map, struct search *search, uint32_t most)
{
    struct slot_run run = run_next(map, search->next, search->end, most);

    if (run.length == 0 && !search->second) {
        search->second = true;
        search->next = 0;
        search->end = search->origin;
        run = run_next(map, search->next, search->end, most);
    }
    search->next = run.start + run.length;
    check(run.length == 0 || search->next <= search->end);
    return run;
}

/* Hand out the slots of a run. */
static void run_take(struct swap_map *map, uint32_t client, struct slot_run run, uint32_t *slots)
{
    check(run.length > 0 && run.length <= map->slots - run.start);
    for (uint32_t i = 0; i < run.length; i++) {
        slots[i] = run.start + i;
        ensure(slots[i] < map->slots);
        slot_take(map, slots[i], client, SWAP_SLOT_WRITING);
        map->slot[slots[i]].pins = 1;
    }
    map->cursor = run.start + run.length == map->slots ? 0 : run.start + run.length;
    check(map->cursor < map->slots);
}

/* There is no run of `count` among the runs up to `last`, whose lengths `lengths` counts, but
 * enough slots: take the longest of them, in the order of the search. */
static void runs_take(struct swap_map *map, uint32_t client, uint32_t count, uint32_t *slots,
                      const uint32_t lengths[])
{
    struct search search = search_start(map);
    uint32_t shortest = SWAP_STORE_MAX; /* of the runs that are taken */
    uint32_t longer = 0;                /* slots in runs longer than that */
    uint32_t of_shortest, done = 0;

    while (longer + shortest * lengths[shortest] < count) {
        longer += shortest * lengths[shortest];
        shortest--;
    }
    check(shortest > 0 && longer <= count);
    of_shortest = count - longer;
    while (done < count) {
        struct slot_run run = search_next(map, &search, SWAP_STORE_MAX);

        if (run.length < shortest || (run.length == shortest && of_shortest == 0))
            continue;
        if (run.length == shortest) {
            if (run.length > of_shortest)
                run.length = of_shortest;
            of_shortest -= run.length;
        }
        run_take(map, client, run, slots + done);
        done += run.length;
    }
    check(done == count);
}

int swap_map_store(struct swap_map *map, uint32_t client, uint32_t count, uint32_t *slots)
{
    const struct swap_client *asker = client_find(map, client);
    uint32_t lengths[SWAP_STORE_MAX + 1] = {0}; /* how many runs of each length were met */
    struct search search;
    struct slot_run run;
    uint32_t met = 0;

    if (asker == NULL)
        return -ENOENT;
    if (count == 0 || count > SWAP_STORE_MAX)
        return -EINVAL;
    if (count > asker->reserved - asker->used)
        return -ENOSPC;
    if (count > map->slots - map->used - map->leaving)
        return -EAGAIN;
    check(asker->used <= asker->reserved && map->used + map->leaving <= map->slots);
    search = search_start(map);
    /* A device in shreds is not combed through for a long run: eight times what is needed will do.
     */
    while (met < 8 * count) {
        run = search_next(map, &search, SWAP_STORE_MAX);
        if (run.length == 0)
            break;
        if (run.length >= count) {
            run.length = count;
            run_take(map, client, run, slots);
            return 0;
        }
        met += run.length;
        lengths[run.length]++;
    }
    runs_take(map, client, count, slots, lengths);
    return 0;
}

/* End the write of a slot that is WRITING or LEAVING. */
static int write_end(struct swap_map *map, uint32_t slot, bool stored, uint64_t checksum)
{
    if (slot >= map->slots || map->slot[slot].pins == 0)
        return -EINVAL;
    if (map->slot[slot].state == SWAP_SLOT_LEAVING) {
        slot_unpin(map, slot);
        return -ECANCELED;
    }
    if (map->slot[slot].state != SWAP_SLOT_WRITING)
        return -EINVAL;
    check(map->slot[slot].pins == 1 && map->slot[slot].client != SWAP_NONE);
    map->slot[slot].pins = 0;
    map->slot[slot].state = SWAP_SLOT_STORED;
    map->slot[slot].checksum = checksum;
    if (!stored)
        slot_give_up(map, slot);
    return 0;
}

int swap_map_commit(struct swap_map *map, uint32_t slot, uint64_t checksum)
{
    check(map->used <= map->reserved);
    return write_end(map, slot, true, checksum);
}

int swap_map_abort(struct swap_map *map, uint32_t slot)
{
    check(map->used <= map->reserved);
    return write_end(map, slot, false, 0);
}

/* Is this a slot that the client has stored? */
static bool slot_is_stored_by(const struct swap_map *map, uint32_t slot, uint32_t client)
{
    check(slot >= map->slots || map->slot[slot].state != SWAP_SLOT_STORED ||
          map->slot[slot].client != SWAP_NONE);
    return slot < map->slots && map->slot[slot].state == SWAP_SLOT_STORED &&
           map->slot[slot].client == client;
}

int swap_map_load(struct swap_map *map, uint32_t client, uint32_t slot, uint64_t *checksum)
{
    if (!slot_is_stored_by(map, slot, client))
        return -ENOENT;
    if (map->slot[slot].pins == UINT16_MAX)
        return -EBUSY;
    map->slot[slot].pins++;
    *checksum = map->slot[slot].checksum;
    check(map->slot[slot].state == SWAP_SLOT_STORED);
    return 0;
}

int swap_map_load_end(struct swap_map *map, uint32_t slot)
{
    if (slot >= map->slots || map->slot[slot].pins == 0 ||
        map->slot[slot].state == SWAP_SLOT_WRITING)
        return -EINVAL;
    check(map->slot[slot].state == SWAP_SLOT_STORED || map->slot[slot].state == SWAP_SLOT_LEAVING);
    slot_unpin(map, slot);
    return 0;
}

int swap_map_free(struct swap_map *map, uint32_t client, uint32_t slot)
{
    if (!slot_is_stored_by(map, slot, client))
        return -ENOENT;
    slot_give_up(map, slot);
    check(map->slot[slot].client == SWAP_NONE);
    return 0;
}

int swap_map_restore(struct swap_map *map, uint32_t client, uint32_t slot, uint64_t checksum)
{
    const struct swap_client *owner = client_find(map, client);
    int error;

    if (owner == NULL)
        return -ENOENT;
    if (slot >= map->slots)
        return -EINVAL;
    if (map->slot[slot].state != SWAP_SLOT_FREE)
        return -EEXIST;
    if (owner->used == owner->reserved) {
        error = swap_map_reserve(map, client, 1, 0);
        if (error < 0)
            return error;
    }
    check(owner->used < owner->reserved);
    slot_take(map, slot, client, SWAP_SLOT_STORED);
    map->slot[slot].checksum = checksum;
    return 0;
}

/* ---- The check ---- */

static const char *check_slot(const struct swap_map *map, uint32_t number)
{
    const struct swap_slot *slot = &map->slot[number];
    bool is_free = slot->state == SWAP_SLOT_FREE;
    bool is_owned = slot->state == SWAP_SLOT_WRITING || slot->state == SWAP_SLOT_STORED;

    check(number < map->slots);
    if (is_free != ((map->free[number / WORD_BITS] >> number % WORD_BITS & 1) != 0))
        return "a slot is free, and not among the free ones, or the other way round";
    if (is_owned != (slot->client != SWAP_NONE))
        return "a slot has no owner, or one too many";
    if (slot->pins == 0 ? !is_free && slot->state != SWAP_SLOT_STORED : is_free)
        return "a slot is pinned that is free, or is not that is being written or left";
    return NULL;
}

/* The slots along the list of a client; more than `most`: there is no end. */
static uint32_t slots_listed(const struct swap_map *map, uint32_t client, uint32_t most)
{
    uint32_t before = SWAP_NONE, listed = 0;

    check(client < map->room && most <= map->slots);
    for (uint32_t slot = map->client[client].first; slot != SWAP_NONE && listed <= most;
         slot = map->slot[slot].next) {
        if (slot >= map->slots || map->slot[slot].client != client ||
            map->slot[slot].prev != before)
            return UINT32_MAX;
        before = slot;
        listed++;
    }
    return listed;
}

const char *swap_map_check(const struct swap_map *map)
{
    uint32_t used = 0, leaving = 0, listed = 0, reserved = 0, clients = 0;
    const char *wrong = NULL;

    check(map->slots > 0 && map->free != NULL);
    for (uint32_t i = 0; i < map->slots && wrong == NULL; i++) {
        wrong = check_slot(map, i);
        used += map->slot[i].client != SWAP_NONE;
        leaving += map->slot[i].state == SWAP_SLOT_LEAVING;
    }
    for (uint32_t i = 0; i < map->room && wrong == NULL; i++) {
        const struct swap_client *client = &map->client[i];

        if (!client->present)
            continue;
        if (slots_listed(map, i, client->used) != client->used || client->used > client->reserved)
            wrong = "a client has other slots than are counted, or more than it has reserved";
        listed += client->used;
        reserved += client->reserved;
        clients++;
    }
    if (wrong == NULL && (used != map->used || leaving != map->leaving || listed != map->used ||
                          reserved != map->reserved || clients != map->clients))
        wrong = "the books of swap miscount";
    return wrong;
}

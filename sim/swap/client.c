/* The table of clients. */
#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/allotment.h"
#include "base/assert.h"

#define ROOM_FIRST 16u

/* Make room for the number `number`. */
static int table_grow(struct client_table *table, uint32_t number)
{
    uint32_t room = table->room == 0 ? ROOM_FIRST : table->room;
    struct client **client;

    while (room <= number)
        room *= 2;
    if (room == table->room)
        return 0;
    client = realloc(table->client, room * sizeof(struct client *));
    if (client == NULL)
        return -ENOMEM;
    memset(client + table->room, 0, (room - table->room) * sizeof(struct client *));
    check(room > number && room >= 2 * table->room);
    table->client = client;
    table->room = room;
    return 0;
}

/* The lowest free number. */
static uint32_t number_find(const struct client_table *table)
{
    uint32_t number = table->hint;

    while (number < table->room && table->client[number] != NULL)
        number++;
    check(number >= table->hint);
    return number;
}

/* ---- Owners ---- */

/* The owner of this user id, created if necessary. NULL: no memory. */
static struct client_owner *owner_of(struct client_table *table, uid_t uid)
{
    struct client_owner *owner = table->owners;

    while (owner != NULL && owner->uid != uid)
        owner = owner->next;
    if (owner != NULL)
        return owner;
    owner = calloc(1, sizeof(*owner));
    if (owner == NULL)
        return NULL;
    owner->uid = uid;
    owner->next = table->owners;
    table->owners = owner;
    check(owner->uid == uid && owner->clients == 0);
    return owner;
}

/* One client of this owner less is there. */
static void owner_leave(struct client_table *table, struct client_owner *owner)
{
    struct client_owner **link = &table->owners;

    ensure(owner->clients > 0);
    if (--owner->clients > 0)
        return;
    ensure(owner->reserved == 0);
    while (*link != owner)
        link = &(*link)->next;
    *link = owner->next;
    free(owner);
}

/* ---- What a policy server lets clients have ---- */

_Static_assert(SWAP_INDEX_NAME == SP_NAME_MAX, "a client has a task's name");

/* Look up what is allowed to a client, as a new one or one of another user. */
static void limit_look(const struct client_table *table, struct client *client)
{
    check(!client->gone);
    client->limit =
        limit_find_swap(table->limit, table->limits, (uint32_t)client->uid, client->name);
}

/* Most slots that a client may reserve. */
static uint32_t quota_of(const struct client_table *table, const struct client *client)
{
    check(table->quota > 0);
    return client->limit.slots != LIMIT_NONE ? client->limit.slots : table->quota;
}

static uint32_t user_quota_of(const struct client_table *table, const struct client *client)
{
    check(client->owner->uid == client->uid);
    return client->limit.user_slots != LIMIT_NONE ? client->limit.user_slots : table->user_quota;
}

static struct bandwidth_terms allowed_to(const struct client *client)
{
    check(client->limit.rate > 0 || !client->limit.beyond);
    return (struct bandwidth_terms){
        .shares = client->limit.shares, .rate = client->limit.rate, .extra = client->limit.beyond};
}

/* A client with connections has what it has asked for, as far as that is allowed, or else what is allowed; and of a rate
 * what there is. Nothing is promised to it so far. */
static void terms_set(struct client_table *table, struct client *client)
{
    const struct bandwidth_terms allowed = allowed_to(client);
    struct bandwidth_terms terms = bandwidth_cut(&client->asked, &allowed);
    uint32_t left = table->capacity - table->promised;

    check(table->promised <= table->capacity && client->connections > 0);
    if (terms.rate > left)
        terms.rate = left;
    terms.extra = terms.extra && terms.rate > 0;
    table->promised += terms.rate;
    check(bandwidth_is_within(&terms, &allowed));
    client->turn.bandwidth.terms = terms;
}

static void terms_unset(struct client_table *table, struct client *client)
{
    ensure(table->promised >= client->turn.bandwidth.terms.rate);
    table->promised -= client->turn.bandwidth.terms.rate;
    client->turn.bandwidth.terms = (struct bandwidth_terms){0};
}

/* Share out anew: first to those that have a contract of their own. */
static void terms_settle(struct client_table *table)
{
    table->promised = 0;
    for (unsigned own = 2; own-- > 0;)
        for (uint32_t number = 0; number < table->room; number++) {
            struct client *client = table->client[number];

            if (client != NULL && client->connections > 0 &&
                ((client->asked.shares | client->asked.rate) != 0) == (own == 1))
                terms_set(table, client);
        }
    check(table->promised <= table->capacity);
}

/* Cut the contract of a client down to what it is allowed, for good. */
static void contract_cut(struct client *client)
{
    const struct bandwidth_terms allowed = allowed_to(client);
    struct bandwidth_terms cut = bandwidth_cut(&client->asked, &allowed);

    check(!client->gone);
    if (client->asked.shares > 0)
        client->asked.shares = cut.shares;
    if (client->asked.rate > 0) {
        client->asked.rate = cut.rate;
        client->asked.extra = cut.extra;
    }
}

int client_table_limit(struct client_table *table, const struct limit *limits, uint32_t count)
{
    check(count <= LIMITS_MAX && (count == 0 || limits != NULL));
    for (uint32_t i = 0; i < count; i++)
        if ((limits[i].shares | limits[i].rate) != 0 && table->capacity == 0)
            return -EOPNOTSUPP;
    table->limit = limits;
    table->limits = count;
    for (uint32_t number = 0; number < table->room; number++) {
        struct client *client = table->client[number];

        if (client == NULL)
            continue;
        limit_look(table, client);
        /* Cannot fail: the client is there. */
        (void)swap_map_quota(table->map, number, quota_of(table, client));
        contract_cut(client);
    }
    terms_settle(table);
    check(table->limits == count);
    return 0;
}

/* ---- The table ---- */

/* Enter a client that has its number into the table and the books. */
static int client_enter(struct client_table *table, struct client *client, uint32_t quota)
{
    int error = table_grow(table, client->number);

    if (error == 0)
        client->owner = owner_of(table, client->uid);
    if (error == 0 && client->owner == NULL)
        error = -ENOMEM;
    if (error < 0)
        return error;
    client->owner->clients++;
    error = swap_map_add(table->map, client->number, quota);
    if (error < 0) {
        owner_leave(table, client->owner);
        return error;
    }
    check(table->client[client->number] == NULL);
    table->client[client->number] = client;
    client->references++;
    check(client->references > 0);
    return 0;
}

/* Take in one client of an earlier life of the device. */
static int client_restore(struct client_table *table, uint32_t number,
                          const struct index_client *record)
{
    struct client *client = calloc(1, sizeof(*client));
    int error;

    if (client == NULL)
        return -ENOMEM;
    client->key = record->key;
    client->id = record->id;
    client->number = number;
    client->uid = record->uid;
    memcpy(client->name, record->name, sizeof(client->name));
    limit_look(table, client);
    /* A quota that has become smaller does not take away what was acknowledged. */
    error = client_enter(table, client, table->map->slots);
    if (error < 0) {
        free(client);
        return error;
    }
    if (client->id > table->last_id)
        table->last_id = client->id;
    check(table->client[number] == client && table->last_id >= client->id);
    return 0;
}

/* Does this record belong to a client there is? A number may have had other owners before. */
static bool owner_is_here(const struct client_table *table, const struct index_slot *record)
{
    check(record->key != 0);
    return record->client < table->room && table->client[record->client] != NULL &&
           table->client[record->client]->key == record->key;
}

/* Slots come back before reservations, since those alone can be promised again. Returns how many.
 */
static int64_t slots_restore(struct client_table *table)
{
    int64_t restored = 0;

    for (uint32_t slot = 0; slot < table->map->slots; slot++) {
        const struct index_slot *record = swap_index_slot(table->index, slot);

        if (record != NULL && owner_is_here(table, record) &&
            swap_map_restore(table->map, record->client, slot, record->checksum) == 0)
            restored++;
    }
    check(restored <= (int64_t)table->map->slots);
    return restored;
}

static void reservations_restore(struct client_table *table)
{
    for (uint32_t number = 0; number < table->room; number++) {
        const struct swap_client *books = swap_map_client(table->map, number);
        const struct index_client *record;

        if (books == NULL)
            continue;
        check(table->client[number] != NULL);
        record = swap_index_client(table->index, number);
        /* This can fail only if the index contradicts itself; what the slots need is there. */
        if (record->reserved > books->reserved)
            (void)swap_map_reserve(table->map, number, record->reserved - books->reserved, 0);
        table->client[number]->owner->reserved += books->reserved;
    }
    check(table->map->used <= table->map->reserved);
}

int64_t client_table_init(struct client_table *table, struct swap_map *map,
                          struct swap_index *index, uint32_t quota, uint32_t user_quota)
{
    int64_t restored;

    *table =
        (struct client_table){.map = map, .index = index, .quota = quota, .user_quota = user_quota};
    table->most = index != NULL ? SWAP_INDEX_CLIENTS : SWAP_CLIENTS_MAX;
    check(table->most <= SWAP_CLIENTS_MAX);
    if (index == NULL)
        return 0;
    for (uint32_t number = 0; number < SWAP_INDEX_CLIENTS; number++) {
        const struct index_client *record = swap_index_client(index, number);
        int error = record == NULL ? 0 : client_restore(table, number, record);

        if (error < 0) {
            client_table_fini(table);
            return error;
        }
    }
    restored = slots_restore(table);
    reservations_restore(table);
    return restored;
}

void client_table_fini(struct client_table *table)
{
    check(table->client != NULL || table->room == 0);
    for (uint32_t number = 0; number < table->room; number++)
        if (table->client[number] != NULL)
            client_unref(table->client[number]);
    free(table->client);
    while (table->owners != NULL) {
        struct client_owner *owner = table->owners;

        table->owners = owner->next;
        free(owner);
    }
    memset(table, 0, sizeof(*table));
}

/* Keep what a client has reserved in the index, if there is one. Returns 0 or a negative errno. */
static int client_save(const struct client_table *table, const struct client *client)
{
    struct index_client record = {
        .key = client->key, .uid = (uint32_t)client->uid, .id = client->id};

    check(client->number < table->room && table->client[client->number] == client);
    if (table->index == NULL || client->passing)
        return 0;
    record.reserved = swap_map_client(table->map, client->number)->reserved;
    memcpy(record.name, client->name, sizeof(record.name));
    return swap_index_set_client(table->index, client->number, &record);
}

/* Whether this user may have one client more. */
static bool may_have_one(const struct client_table *table, uid_t uid)
{
    const struct client_owner *owner = table->owners;

    check(table->map->clients <= table->most);
    while (owner != NULL && owner->uid != uid)
        owner = owner->next;
    return allotment_may(owner != NULL ? owner->clients : 0, 1, table->map->clients, table->most,
                         CLIENT_SHARE);
}

int client_new(struct client_table *table, uid_t uid, const char *name, struct client **clientp)
{
    struct client *client;
    uint32_t number = number_find(table);
    int error;

    if (number >= table->most || !may_have_one(table, uid))
        return -EMFILE;
    client = calloc(1, sizeof(*client));
    if (client == NULL)
        return -ENOMEM;
    while (client->key == 0)
        if (getrandom(&client->key, sizeof(client->key), 0) < 0 && errno != EINTR) {
            free(client);
            return -errno;
        }
    client->id = table->last_id + 1;
    client->number = number;
    client->uid = uid;
    memcpy(client->name, name, sizeof(client->name));
    limit_look(table, client);
    error = client_enter(table, client, quota_of(table, client));
    if (error < 0) {
        free(client);
        return error;
    }
    check(client->key != 0 && table->client[number] == client);
    table->hint = number + 1;
    table->last_id = client->id;
    error = client_save(table, client);
    if (error < 0)
        client_settle(table, client);
    else
        *clientp = client;
    return error;
}

/* A kept device remembers the client no longer. */
static int client_forget(const struct client_table *table, struct client *client)
{
    int error = 0;

    check(swap_map_client(table->map, client->number)->reserved == 0);
    if (table->index != NULL && !client->passing)
        error = swap_index_set_client(table->index, client->number, NULL);
    client->passing = error == 0;
    return error;
}

int client_account(struct client_table *table, struct client *client, uid_t uid)
{
    struct client_owner *owner;
    int error;

    check(!client->gone && client->owner->uid == client->uid);
    if (swap_map_client(table->map, client->number)->reserved > 0 || client->own != NULL)
        return -EBUSY;
    error = client_forget(table, client);
    if (error < 0 || uid == client->uid)
        return error;
    if (!may_have_one(table, uid))
        return -EMFILE;
    owner = owner_of(table, uid);
    if (owner == NULL)
        return -ENOMEM;
    owner->clients++;
    owner_leave(table, client->owner);
    client->owner = owner;
    client->uid = uid;
    limit_look(table, client);
    /* Cannot fail: the client is there. */
    (void)swap_map_quota(table->map, client->number, quota_of(table, client));
    terms_unset(table, client);
    terms_set(table, client);
    return 0;
}

int client_reserve(struct client_table *table, struct client *client, uint32_t add,
                   uint32_t subtract)
{
    struct client_owner *owner = client->owner;
    const struct swap_client *books = swap_map_client(table->map, client->number);
    uint32_t before = books->reserved;
    int error;

    check(books != NULL && owner->reserved >= books->reserved);
    if (add > subtract && (uint64_t)owner->reserved + add - subtract > user_quota_of(table, client))
        return -EDQUOT;
    error = swap_map_reserve(table->map, client->number, add, subtract);
    if (error < 0)
        return error;
    if (client_save(table, client) < 0) {
        /* Cannot fail: this is where we come from. */
        (void)swap_map_reserve(table->map, client->number, subtract, add);
        return -EIO;
    }
    owner->reserved += books->reserved - before;
    check(owner->reserved >= books->reserved);
    return 0;
}

struct client *client_find(const struct client_table *table, uint64_t key, uint32_t id)
{
    check(key != 0);
    for (uint32_t number = 0; number < table->room; number++) {
        struct client *client = table->client[number];

        if (client != NULL && client->key == key)
            return id == 0 || id == client->id ? client : NULL;
    }
    return NULL;
}

void client_join(struct client_table *table, struct client *client)
{
    check(!client->gone && client->references > 0);
    client->connections++;
    client->references++;
    if (client->connections == 1)
        terms_set(table, client);
}

uint32_t client_used(const struct swap_map *map, const struct client *client)
{
    check(!client->gone);
    return client->own != NULL ? own_used(client->own) : swap_map_client(map, client->number)->used;
}

uint32_t client_table_used(const struct client_table *table)
{
    uint32_t used = 0;

    for (uint32_t number = 0; number < table->room; number++)
        if (table->client[number] != NULL)
            used += client_used(table->map, table->client[number]);
    check(used <= table->map->used);
    return used;
}

/* A client leaves the books, and the device need not keep its pages; those under way are discarded when their
 * jobs end. */
static void books_remove(const struct client_table *table, uint32_t number)
{
    struct swap_map *map = table->map;
    uint32_t slot = swap_map_client(map, number)->first, next;

    if (table->client[number]->own != NULL) {
        own_leave(table->client[number]->own, number);
        slot = SWAP_NONE; /* they hold nothing there */
    }
    for (; slot != SWAP_NONE; slot = next) {
        next = map->slot[slot].next;
        if (map->slot[slot].pins == 0 && table->device != NULL)
            swap_device_discard(table->device, slot, 1);
    }
    swap_map_remove(map, number);
    check(swap_map_client(map, number) == NULL);
}

void client_settle(struct client_table *table, struct client *client)
{
    uint32_t number = client->number;

    if (client->gone || client->connections > 0)
        return;
    if (table->index != NULL && !client->passing && swap_map_client(table->map, number)->used > 0)
        return;
    check(table->client[number] == client &&
          client->owner->reserved >= swap_map_client(table->map, number)->reserved);
    client->gone = true;
    client->owner->reserved -= swap_map_client(table->map, number)->reserved;
    books_remove(table, number);
    owner_leave(table, client->owner);
    table->client[number] = NULL;
    if (number < table->hint)
        table->hint = number;
    /* If this fails, the record comes back without slots, and is settled then. */
    if (table->index != NULL)
        (void)swap_index_set_client(table->index, number, NULL);
    client_unref(client);
}

int client_contract(struct client_table *table, struct client *client,
                    const struct bandwidth_terms *terms)
{
    const struct bandwidth_terms allowed = allowed_to(client);
    uint32_t others = table->promised - client->turn.bandwidth.terms.rate;
    int error;

    check(table->promised >= client->turn.bandwidth.terms.rate);
    if (table->capacity == 0)
        return -EOPNOTSUPP;
    ensure(client->own == NULL); /* there are none where contracts are made */
    error = bandwidth_judge(terms, table->capacity, others);
    if (error == 0 && !bandwidth_is_within(terms, &allowed))
        error = -EPERM;
    if (error < 0)
        return error;
    check(client->connections > 0);
    client->asked = *terms;
    terms_unset(table, client);
    terms_set(table, client);
    return 0;
}

void client_leave(struct client_table *table, struct client *client)
{
    ensure(client->connections > 0);
    client->connections--;
    if (client->connections > 0)
        return;
    extent_table_fini(&client->extents);
    client->asked = (struct bandwidth_terms){0};
    if (client->turn.bandwidth.terms.rate > 0 && table->limits > 0)
        terms_settle(table); /* others may have been promised less than they are allowed */
    else
        terms_unset(table, client);
    client->turn.bandwidth = (struct bandwidth){.due_ns = 0};
    client_settle(table, client);
}

void client_unref(struct client *client)
{
    ensure(client->references > 0);
    if (--client->references > 0)
        return;
    extent_table_fini(&client->extents);
    if (client->own != NULL)
        own_end(client->own);
    free(client);
}

#include "policy/buckets.h"

size_t buckets_size(uint32_t pages)
{
    return (size_t)pages * (sizeof(struct sp_link) + sizeof(struct bucket_cell));
}

void buckets_init(struct buckets *buckets, void *memory, uint32_t pages)
{
    buckets->links = memory;
    buckets->cells = (struct bucket_cell *)(buckets->links + pages);
}

uint32_t buckets_count(const struct buckets *buckets, sp_page page)
{
    const struct bucket_cell *cell = &buckets->cells[page];
    uint32_t age = buckets->halvings - cell->halvings;

    return age < 32 ? cell->count >> age : 0;
}

void buckets_add(struct buckets *buckets, sp_page page, uint32_t count)
{
    if (count >= BUCKETS)
        count = BUCKETS - 1;
    buckets->cells[page] = (struct bucket_cell){count, buckets->halvings};
    sp_list_push_front(&buckets->lists[count], buckets->links, page);
    buckets->filled[count / 64] |= UINT64_C(1) << count % 64;
}

void buckets_remove(struct buckets *buckets, sp_page page)
{
    uint32_t count = buckets_count(buckets, page);

    sp_list_remove(&buckets->lists[count], buckets->links, page);
    if (buckets->lists[count].count == 0)
        buckets->filled[count / 64] &= ~(UINT64_C(1) << count % 64);
}

void buckets_change(struct buckets *buckets, sp_page page, uint32_t count)
{
    buckets_remove(buckets, page);
    buckets_add(buckets, page, count);
}

sp_page buckets_least(const struct buckets *buckets)
{
    for (uint32_t i = 0; i < BUCKETS / 64; i++)
        if (buckets->filled[i] != 0)
            return sp_list_back(
                &buckets->lists[i * 64 + (uint32_t)__builtin_ctzll(buckets->filled[i])]);
    return SP_NO_PAGE;
}

/* The smallest count that a page has; there is one. */
static uint32_t least_count(const struct buckets *buckets)
{
    uint32_t i = 0;

    while (buckets->filled[i] == 0)
        i++;
    return i * 64 + (uint32_t)__builtin_ctzll(buckets->filled[i]);
}

sp_page buckets_renew(struct buckets *buckets)
{
    uint32_t count = least_count(buckets);
    struct sp_list *list = &buckets->lists[count];
    sp_page page = sp_list_back(list);

    buckets->cells[page] = (struct bucket_cell){1, buckets->halvings};
    if (count == 1) {
        sp_list_to_front(list, buckets->links, page);
        return page;
    }
    sp_list_remove(list, buckets->links, page);
    if (list->count == 0)
        buckets->filled[count / 64] &= ~(UINT64_C(1) << count % 64);
    sp_list_push_front(&buckets->lists[1], buckets->links, page);
    buckets->filled[0] |= UINT64_C(1) << 1;
    return page;
}

/* Both lists become one, that of the larger count in front. */
static struct sp_list lists_join(struct sp_link *links, struct sp_list front, struct sp_list back)
{
    if (front.count == 0)
        return back;
    if (back.count == 0)
        return front;
    links[front.back_plus1 - 1].next_plus1 = back.front_plus1;
    links[back.front_plus1 - 1].prev_plus1 = front.back_plus1;
    return (struct sp_list){front.front_plus1, back.back_plus1, front.count + back.count};
}

void buckets_halve(struct buckets *buckets)
{
    buckets->halvings++;
    for (uint32_t i = 0; i < BUCKETS / 64; i++)
        buckets->filled[i] = 0;
    for (uint32_t i = 0; i < BUCKETS / 2; i++) {
        buckets->lists[i] =
            lists_join(buckets->links, buckets->lists[2 * i + 1], buckets->lists[2 * i]);
        if (buckets->lists[i].count > 0)
            buckets->filled[i / 64] |= UINT64_C(1) << i % 64;
    }
    for (uint32_t i = BUCKETS / 2; i < BUCKETS; i++)
        buckets->lists[i] = (struct sp_list){0};
}

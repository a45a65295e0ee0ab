#include "world/task_shell.h"

#include <errno.h>

#include "base/assert.h"
#include "base/memory.h"
#include "policy/registry.h"

#define ALIGNMENT 64u

/* Kinds of entries in the queue. */
enum delivery {
    DELIVERY_STORED, /* page, slot of swap */
    DELIVERY_LOADED, /* page, contents */
};

/* A page's address: what it maps, and what the program wrote there. */
struct task_shell_page {
    uint64_t value;   /* written last; meaningless unless `written` */
    uint64_t loading; /* contents that are on their way from swap */
    uint32_t slot;    /* PAGER_NONE: the address maps nothing */
    uint8_t protection;
    bool written;
    bool waited; /* the program waits for it, to write if `waited_write` */
    bool waited_write;
};

/* Where the frame of a slot lies: page `offset` of an extent. */
struct task_shell_slot {
    uint32_t extent; /* handle; 0: not known */
    uint32_t offset;
};

/* ---- Frames ---- */

static uint64_t *frame_of(struct task_shell *shell, uint32_t slot)
{
    const struct task_shell_slot *where = &shell->slot[slot];
    struct physmem_shell_extent *extent = world_extent(shell->config.world, where->extent);

    ensure(extent != NULL && where->offset < extent->pages);
    return &extent->page[where->offset];
}

/* Ask for all rights to slots, and note where they lie. Returns how many were given, from the first. */
static uint32_t map_slots(struct task_shell *shell, uint32_t slot, uint32_t count)
{
    struct world *world = shell->config.world;
    uint32_t done = 0;

    while (done < count) {
        const struct physmem_effect *reply =
            world_map(world, shell->task, shell->container, slot + done, count - done);
        uint32_t pieces = reply != NULL && reply->error == 0 ? reply->mapped.count : 0;

        if (pieces == 0)
            break;
        for (uint32_t i = 0; i < pieces; i++) {
            const struct physmem_map_item *item = &world->items[i];

            for (uint32_t j = 0; j < item->count; j++)
                shell->slot[item->slot + j] =
                    (struct task_shell_slot){item->extent, item->offset + j};
            done += item->count;
        }
    }
    return done;
}

/* ---- Effects of the pager ---- */

static struct task_shell_page *page_of(struct task_shell *shell, sp_page page)
{
    ensure(page - shell->first < shell->config.pages);
    return &shell->page[page - shell->first];
}

static void begin_store(struct task_shell *shell, const struct pager_effect *effect)
{
    const struct task_shell_config *config = &shell->config;
    struct queue_entry entry = {
        .kind = DELIVERY_STORED, .to = config->number, .value = {effect->page, PAGER_NONE}};
    uint32_t slot;

    if (effect->swap != PAGER_NONE)
        swap_shell_free(config->swap, config->number, effect->swap);
    entry.when = config->world->now;
    if (swap_shell_store(config->swap, config->number, *frame_of(shell, effect->slot),
                         config->world->now, &slot, &entry.when) == 0)
        entry.value[1] = slot;
    if (world_queue_add(config->queue, entry) != 0)
        shell->failed = true;
}

static void begin_load(struct task_shell *shell, const struct pager_effect *effect)
{
    const struct task_shell_config *config = &shell->config;
    struct queue_entry entry = {
        .kind = DELIVERY_LOADED, .to = config->number, .value = {effect->page, effect->swap}};
    int rc = swap_shell_load(config->swap, config->number, effect->swap, config->world->now,
                             &page_of(shell, effect->page)->loading, &entry.when);

    ensure(rc == 0);
    if (world_queue_add(config->queue, entry) != 0)
        shell->failed = true;
}

static void begin_allocation(struct task_shell *shell, const struct pager_effect *effect)
{
    struct world *world = shell->config.world;

    shell->allocated = false;
    shell->allocation = world->seq + 1;
    world_allocate(world, shell->task, shell->container, effect->slot, effect->count,
                   PHYSMEM_PARTIAL | (effect->extra ? PHYSMEM_EXTRA : 0));
}

static void grant(struct task_shell *shell, const struct pager_effect *effect)
{
    uint32_t mapped = map_slots(shell, effect->slot, effect->count);

    for (uint32_t i = 0; i < effect->count; i++)
        pager_rights_granted(&shell->pager, effect->slot + i,
                             i < mapped ? PAGE_READ | PAGE_WRITE : 0);
}

static void carry_out(struct task_shell *shell, const struct pager_effect *effect)
{
    switch (effect->kind) {
    case EFFECT_MAP:
        page_of(shell, effect->page)->slot = effect->slot;
        page_of(shell, effect->page)->protection = effect->protection;
        break;
    case EFFECT_PROTECT:
        page_of(shell, effect->page)->protection = effect->protection;
        break;
    case EFFECT_UNMAP:
        page_of(shell, effect->page)->slot = PAGER_NONE;
        page_of(shell, effect->page)->protection = 0;
        break;
    case EFFECT_CLEAR:
        *frame_of(shell, effect->slot) = 0;
        break;
    case EFFECT_STORE:
        begin_store(shell, effect);
        break;
    case EFFECT_LOAD:
        begin_load(shell, effect);
        break;
    case EFFECT_REFILL:
        ensure(effect->kind != EFFECT_REFILL); /* its region has no refill */
        break;
    case EFFECT_ALLOCATE:
        begin_allocation(shell, effect);
        break;
    case EFFECT_GRANT:
        grant(shell, effect);
        break;
    case EFFECT_FREE_SWAP:
        swap_shell_free(shell->config.swap, shell->config.number, effect->swap);
        break;
    case EFFECT_RETURN:
        world_range(shell->config.world, physmem_frames_deallocate, shell->task, shell->container,
                    effect->slot, 1);
        break;
    }
}

/* Effects with a round trip begin when the call's others have been carried out. */
static void carry_out_all(struct task_shell *shell)
{
    struct pager_effect effect;

    while (pager_next_effect(&shell->pager, &effect))
        carry_out(shell, &effect);
}

/* ---- References ---- */

static bool is_permitted(const struct task_shell_page *page, bool write)
{
    uint8_t needed = write ? PAGE_READ | PAGE_WRITE : PAGE_READ;

    return page->slot != PAGER_NONE && (page->protection & needed) == needed;
}

static void refer(struct task_shell *shell, struct task_shell_page *page, bool write)
{
    uint64_t *frame = frame_of(shell, page->slot);

    ensure(*frame == (page->written ? page->value : 0)); /* no byte is lost, or comes from others */
    if (!write)
        return;
    page->value = *frame = ++shell->written;
    page->written = true;
}

enum task_shell_verdict task_shell_touch(struct task_shell *shell, uint32_t page, bool write)
{
    struct task_shell_page *p = &shell->page[page];

    while (!shell->revoked && !is_permitted(p, write)) {
        enum pager_verdict verdict = pager_fault(&shell->pager, shell->first + page, write);

        p->waited = true;
        p->waited_write = write;
        carry_out_all(shell);
        if (shell->allocated) {
            task_shell_work(shell);
            continue;
        }
        if (verdict == PAGER_STUCK)
            return TASK_SHELL_STUCK;
        ensure(verdict != PAGER_NO_PAGE);
        if (shell->failed)
            return TASK_SHELL_FAILED;
        if (verdict == PAGER_DEAD)
            return TASK_SHELL_REVOKED;
        if (verdict == PAGER_WAIT_GROWTH) /* ask again the next time */
            pager_growth_possible(&shell->pager);
        if (verdict != PAGER_DONE && !(verdict == PAGER_CALL && is_permitted(p, write)))
            return TASK_SHELL_WAITS;
    }
    if (shell->revoked)
        return TASK_SHELL_REVOKED;
    p->waited = false;
    refer(shell, p, write);
    return TASK_SHELL_TOUCHED;
}

/* ---- What comes ---- */

void task_shell_forget(struct swap_shell *swap, const struct queue_entry *entry)
{
    uint32_t slot = (uint32_t)entry->value[1];

    if (entry->kind == DELIVERY_LOADED)
        swap_shell_loaded(swap, slot);
    else if (slot != PAGER_NONE)
        swap_shell_stored(swap, slot);
}

void task_shell_deliver(struct task_shell *shell, const struct queue_entry *entry)
{
    sp_page page = (sp_page)entry->value[0];
    uint32_t slot = (uint32_t)entry->value[1];
    struct task_shell_page *p = page_of(shell, page);

    task_shell_forget(shell->config.swap, entry);
    if (shell->revoked)
        return;
    if (entry->kind == DELIVERY_STORED) {
        pager_evict_stored(&shell->pager, page, slot, slot != PAGER_NONE ? 0 : EIO);
    } else {
        *frame_of(shell, shell->pager.page[page].slot) = p->loading;
        pager_fault_loaded(&shell->pager, page, true, p->waited, p->waited_write);
    }
    carry_out_all(shell);
}

void task_shell_hear(struct task_shell *shell, const struct physmem_effect *effect)
{
    bool answers = effect->kind <= PHYSMEM_REPLY_OFFER && shell->allocation != 0 &&
                   effect->seq == shell->allocation;

    if (answers) {
        shell->allocation = 0;
        shell->allocated = true;
        shell->allocated_count =
            effect->kind == PHYSMEM_REPLY_ALLOCATED ? effect->allocated.count : 0;
        shell->allocated_zero = effect->kind == PHYSMEM_REPLY_ALLOCATED && effect->allocated.zeroed;
    } else if (effect->kind == PHYSMEM_SEND_RECALL) {
        shell->owes += effect->recall.frames;
    } else if (effect->kind == PHYSMEM_SEND_NOTICE) {
        shell->told = shell->told || effect->notice.what == PHYSMEM_AVAILABLE;
    } else if (effect->kind == PHYSMEM_SEND_UNMAP) {
        ensure(shell->unmaps < TASK_SHELL_UNMAPS);
        shell->unmap[shell->unmaps++] = *effect;
    } else if (effect->kind == PHYSMEM_SEND_REVOKED) {
        shell->revoked = true;
    }
}

/* Frames have come, or were refused. */
static void take_frames(struct task_shell *shell)
{
    uint32_t slot = shell->pager.allocate_slot;
    uint32_t count = shell->allocated_count;

    shell->allocated = false;
    if (count > 0)
        ensure(map_slots(shell, slot, count) == count);
    pager_growth_allocated(&shell->pager, slot, count, PAGE_READ | PAGE_WRITE,
                           shell->allocated_zero);
    carry_out_all(shell);
}

/* Return what is owed: free frames, then what eviction frees at once; the rest comes with stores. */
static void pay(struct task_shell *shell)
{
    uint32_t before;

    do {
        before = shell->pager.owed;
        if (before > 0)
            pager_debts_pay(&shell->pager, PAGER_BATCH, false);
        carry_out_all(shell);
    } while (shell->pager.owed < before);
}

static void answer_unmaps(struct task_shell *shell)
{
    struct world *world = shell->config.world;

    for (uint32_t i = 0; i < shell->unmaps; i++) {
        const struct physmem_effect *unmap = &shell->unmap[i];
        uint32_t referenced = 0, dirty = 0;

        pager_rights_taken(&shell->pager, unmap->unmap.range.start, unmap->unmap.range.count,
                           unmap->unmap.rights, &referenced, &dirty);
        carry_out_all(shell);
        physmem_unmap_answered(world->physmem, world->now, shell->task, unmap->unmap.id);
    }
    shell->unmaps = 0;
    world_run(world);
}

void task_shell_work(struct task_shell *shell)
{
    if (shell->revoked)
        return;
    if (shell->allocated)
        take_frames(shell);
    if (shell->unmaps > 0)
        answer_unmaps(shell);
    if (shell->owes > 0) {
        uint32_t owes = shell->owes;

        shell->owes = 0;
        pager_debts_owe(&shell->pager, owes);
        carry_out_all(shell);
    }
    if (shell->pager.owed > 0)
        pay(shell);
    if (shell->told) {
        shell->told = false;
        pager_growth_possible(&shell->pager);
        carry_out_all(shell);
    }
}

/* ---- Life ---- */

static int make_pager(struct task_shell *shell)
{
    const struct task_shell_config *config = &shell->config;
    const struct allocator *allocator = config->world->allocator;
    struct pager_config pager = {
        .pages = config->pages + 1, /* one is left free behind a region */
        .slots = shell->slots,
        .extent_pages = EXTENT_PAGES,
        .map_limit = UINT32_MAX,
        .seed = config->seed,
        .policy = config->policy,
        .params = shell->params,
        .stats = &shell->stats,
    };
    uintptr_t address;

    if (policy_params_parse(config->policy, NULL, shell->params, NULL) != 0)
        return -EINVAL;
    shell->memory_size = pager_size(&pager) + ALIGNMENT;
    shell->memory = memory_new(allocator, shell->memory_size);
    shell->page = memory_new(allocator, config->pages * sizeof(*shell->page));
    shell->slot = memory_new(allocator, shell->slots * sizeof(*shell->slot));
    if (shell->memory == NULL || shell->page == NULL || shell->slot == NULL)
        return -ENOMEM;
    address = ((uintptr_t)shell->memory + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    pager_init(&shell->pager, &pager, (void *)address);
    for (uint32_t i = 0; i < config->pages; i++)
        shell->page[i].slot = PAGER_NONE;
    shell->first = pager_regions_create(&shell->pager, config->pages, config->kind, false, false);
    ensure(shell->first != SP_NO_PAGE);
    return 0;
}

/* Conclude the contracts. Returns 0 or -ENOMEM. */
static int conclude(struct task_shell *shell)
{
    const struct task_shell_config *config = &shell->config;
    struct world *world = config->world;

    if (config->guaranteed > 0 &&
        world_contract(world, shell->task, SP_GUARANTEED, config->guaranteed) == 0)
        return -ENOMEM;
    if (config->extra > 0 && world_contract(world, shell->task, SP_EXTRA, config->extra) == 0)
        return -ENOMEM;
    pager_growth_allow(&shell->pager, config->guaranteed, config->extra);
    carry_out_all(shell);
    return 0;
}

int task_shell_init(struct task_shell *shell, const struct task_shell_config *config)
{
    const struct physmem_effect *reply;
    int rc;

    *shell = (struct task_shell){.config = *config, .slots = config->guaranteed + config->extra};
    shell->task = world_task(config->world, config->name);
    if (shell->task == NULL)
        return -ENOMEM;
    rc = make_pager(shell);
    if (rc == 0)
        rc = swap_shell_join(config->swap, config->number);
    if (rc != 0)
        return rc;
    shell->container = world_container(config->world, shell->task, shell->slots);
    rc = conclude(shell);
    if (rc != 0)
        return rc;
    reply = world_open_stack(config->world, shell->task, shell->container, TASK_SHELL_PLACES);
    if (reply == NULL || reply->kind != PHYSMEM_REPLY_STACK)
        return -ENOMEM;
    pager_slots_publish(&shell->pager, reply->stack.stack, reply->stack.places);
    carry_out_all(shell);
    return 0;
}

void task_shell_fini(struct task_shell *shell)
{
    const struct task_shell_config *config = &shell->config;
    const struct allocator *allocator = config->world->allocator;

    if (shell->task != NULL) {
        physmem_task_gone(config->world->physmem, config->world->now, shell->task);
        world_run(config->world);
    }
    if (swap_map_client(&config->swap->map, config->number) != NULL)
        swap_map_remove(&config->swap->map, config->number);
    memory_free(allocator, shell->memory, shell->memory_size);
    memory_free(allocator, shell->page, config->pages * sizeof(*shell->page));
    memory_free(allocator, shell->slot, shell->slots * sizeof(*shell->slot));
    *shell = (struct task_shell){.task = NULL};
}

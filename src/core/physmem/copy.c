/* The request to copy slots. It is checked as a whole before anything is done. If contents have to
 * move, a clean extent is asked for; when that is there the request is checked again, since
 * anything may have happened. */
#include "core/physmem/copy.h"

#include "core/physmem/copies.h"
#include "core/physmem/copying.h"
#include "core/physmem/emit.h"
#include "core/physmem/input.h"
#include "core/physmem/punch.h"
#include "core/physmem/shares.h"

/* One request, and how far its check or its execution has come. */
struct copy_request {
    struct physmem *physmem;
    struct container *from;
    struct container *to;
    struct extent *clean; /* for contents that move, or NULL */
    uint64_t pass;        /* for copies_mark */
    uint32_t number;      /* of the slot, counted over all pieces */
    uint32_t moves;       /* pages that move */
    const char *text;     /* what is wrong */
    /* By page of the clean extent: what moved there from another clean extent. */
    struct copied parted[PHYSMEM_COPY_MAX];
    /* Of the slots copied from and to, those that were no copies before, by number. */
    uint64_t became[2][PHYSMEM_COPY_MAX / 64];
};

typedef int copy_step(struct copy_request *copy, uint32_t from, uint32_t to);

/* Do something for every slot of all pieces, until something is wrong. Returns that, or 0. */
static int for_each(struct copy_request *copy, const struct physmem_piece *pieces, uint32_t count,
                    copy_step *step)
{
    int error = 0;

    check(count <= PHYSMEM_PIECES_MAX);
    copy->number = 0;
    copy->moves = 0;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < pieces[i].count; j++, copy->number++) {
            error = step(copy, pieces[i].from + j, pieces[i].to + j);
            if (error != 0)
                return error;
        }
    return 0;
}

static bool is_mapped(const struct container_slot *entry)
{
    check(slot_is_allocated(entry));
    return entry->rights != 0 || entry->unmapping;
}

/* Whether the request goes from one task's slots to those of another. */
static bool is_between_tasks(const struct copy_request *copy)
{
    check(copy->from->owner != NULL && copy->to->owner != NULL);
    return copy->from->owner != copy->to->owner;
}

/* A slot to copy from, which is a copy already, names this page. Returns 0 or ENOMEM. */
static int mark(struct copy_request *copy, struct extent *source, uint32_t from)
{
    struct extent *clean = copies_extent(copy->physmem, source, from);

    check(extent_slot(source, from)->copy);
    copies_mark(clean, source->copied[from % EXTENT_PAGES].page, copy->pass);
    return copies_reserve(copy->physmem, clean) == 0 ? 0 : ENOMEM;
}

static int check_slot(struct copy_request *copy, uint32_t from, uint32_t to)
{
    struct extent *source = container_extent(copy->from, from);
    struct extent *target = container_extent(copy->to, to);

    check(from < copy->from->slots && to < copy->to->slots);
    copy->text = "the slot to copy from has no frame";
    if (source == NULL || !slot_is_allocated(extent_slot(source, from)))
        return ENOENT;
    copy->text = "the slot to copy to has no frame";
    if (target == NULL || !slot_is_allocated(extent_slot(target, to)))
        return ENOMEM;
    copy->text = "the task still has rights to the slot: give them up first";
    if (is_mapped(extent_slot(target, to)) ||
        (!extent_slot(source, from)->copy && is_mapped(extent_slot(source, from))))
        return EBUSY;
    copy->text = "physmem has no memory for a copy";
    if (container_extent_copied(copy->physmem->allocator, source) != 0 ||
        container_extent_copied(copy->physmem->allocator, target) != 0)
        return ENOMEM;
    if (is_between_tasks(copy) && extent_slot(source, from)->copy && mark(copy, source, from) != 0)
        return ENOMEM;
    copy->text = NULL;
    return 0;
}

/* Count the contents that move; all slots were checked. Returns 0. */
static int count_slot(struct copy_request *copy, uint32_t from, uint32_t to)
{
    struct extent *source = container_extent(copy->from, from);

    (void)to;
    check(slot_is_allocated(extent_slot(source, from)));
    if (!extent_slot(source, from)->copy)
        copy->moves++;
    else if (is_between_tasks(copy))
        copy->moves +=
            !copies_admit(copies_extent(copy->physmem, source, from), copy->to->owner, copy->pass);
    return 0;
}

/* Check a request, and count what moves. Returns 0 or what is wrong. */
static int check_all(struct copy_request *copy, const struct physmem_piece *pieces, uint32_t count)
{
    int error;

    check(copy->clean == NULL || copy->clean->allocated == 0);
    copy->pass = ++copy->physmem->copy_pass;
    error = for_each(copy, pieces, count, check_slot);
    return error != 0 ? error : for_each(copy, pieces, count, count_slot);
}

/* The page of the clean extent that is filled next. */
static uint32_t next_page(struct copy_request *copy)
{
    uint32_t page = copy->moves++;

    ensure(copy->clean != NULL && page < copy->clean->pages);
    return page;
}

/* The contents of a slot move from its home to the clean extent, and the slot with them. */
static void clean_slot(struct copy_request *copy, struct extent *home, uint32_t slot)
{
    uint32_t page = next_page(copy);

    check(!extent_slot(home, slot)->copy);
    if (home->handle != 0 && !home->pending) /* or it holds zeros */
        copies_move(copy->physmem, home, slot % EXTENT_PAGES, copy->clean, page);
    copies_join(copy->physmem, home, slot, copy->clean, page);
}

/* Whether the slot copied to may not name the page that the slot copied from names. */
static bool is_hidden(const struct copy_request *copy, struct extent *source, uint32_t from)
{
    const struct extent *clean = copies_extent(copy->physmem, source, from);

    if (!is_between_tasks(copy) || clean == copy->clean)
        return false;
    ensure(clean->clean->pass == copy->pass);
    return !clean->clean->admitted;
}

/* The page of the request's own clean extent that has the contents of this one of another: those of
 * an earlier slot, or they move. */
static uint32_t parted_page(struct copy_request *copy, const struct copied *copied)
{
    uint32_t page = 0;

    check(copied->extent != copy->clean->handle);
    while (page < copy->moves &&
           (copy->parted[page].extent != copied->extent || copy->parted[page].page != copied->page))
        page++;
    if (page < copy->moves && copy->clean->clean->user[page] > 0)
        return page;
    page = next_page(copy);
    copy->parted[page] = *copied;
    copies_move(copy->physmem, handles_object(&copy->physmem->extents, copied->extent),
                copied->page, copy->clean, page);
    return page;
}

/* Move the page that a copied slot names to a clean extent of this request. The slot then names the new page,
 * unless it is mapped: its mapping shows the old page, which must stay. Returns the page. */
static uint32_t part_slot(struct copy_request *copy, struct extent *source, uint32_t from)
{
    const struct copied copied = source->copied[from % EXTENT_PAGES];
    uint32_t page = parted_page(copy, &copied);

    check(copy->clean->clean->user[page] > 0 || page + 1 == copy->moves);
    if (!is_mapped(extent_slot(source, from)))
        copies_join(copy->physmem, source, from, copy->clean, page);
    return page;
}

static int copy_slot(struct copy_request *copy, uint32_t from, uint32_t to)
{
    struct extent *source = container_extent(copy->from, from);
    struct extent *target = container_extent(copy->to, to);

    uint64_t bit = UINT64_C(1) << copy->number % 64;

    copy->became[0][copy->number / 64] |= extent_slot(source, from)->copy ? 0 : bit;
    copy->became[1][copy->number / 64] |= extent_slot(target, to)->copy ? 0 : bit;
    if (!extent_slot(source, from)->copy)
        clean_slot(copy, source, from);
    if (is_hidden(copy, source, from))
        copies_join(copy->physmem, target, to, copy->clean, part_slot(copy, source, from));
    else
        copies_join(copy->physmem, target, to, copies_extent(copy->physmem, source, from),
                    source->copied[from % EXTENT_PAGES].page);
    check(extent_slot(target, to)->copy);
    copy->physmem->counters.copies++;
    return 0;
}

/* The pages at home of the slots that became copies are cleared: after all moves, since a home
 * may be the source of several. Nobody sees them before the slots come home, and nobody waits. */
static void clear_homes(const struct copy_request *copy, const struct physmem_piece *pieces,
                        uint32_t count, bool to)
{
    struct container *container = to ? copy->to : copy->from;
    struct punch punch = {.when = PUNCH_LATER};
    uint32_t number = 0;

    check(count > 0);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < pieces[i].count; j++, number++) {
            uint32_t slot = (to ? pieces[i].to : pieces[i].from) + j;

            if ((copy->became[to][number / 64] >> number % 64 & 1) != 0)
                punch_add(copy->physmem, &punch, container_extent(container, slot), slot);
        }
    punch_flush(copy->physmem, &punch);
}

/* Everything is checked, and the clean extent is there if one is needed. */
static void carry_out(struct copy_request *copy, const struct physmem_request *request,
                      const struct physmem_piece *pieces, uint32_t count)
{
    struct physmem *physmem = copy->physmem;

    /* The extent stays while the request goes on: a later piece may take all slots away from its pages. */
    if (copy->clean != NULL)
        copy->clean->allocated++;
    ensure(for_each(copy, pieces, count, copy_slot) == 0);
    clear_homes(copy, pieces, count, false);
    clear_homes(copy, pieces, count, true);
    /* It may not be needed: a slot that came to be a copy by an earlier piece needs no page of its own. */
    if (copy->clean != NULL && --copy->clean->allocated == 0)
        copies_extent_end(physmem, copy->clean);
    copy->to->version++;
    emit_done(physmem, request, 0, copy->number, NULL);
}

/* Ask for a clean extent, and keep the request until it is there. */
static void wait_for_extent(struct copy_request *copy, const struct physmem_request *request,
                            const struct physmem_piece *pieces, uint32_t count)
{
    struct physmem *physmem = copy->physmem;
    struct physmem_task *task = request->task;
    struct extent *clean = NULL;

    check(copy->moves > 0 && copy->moves <= EXTENT_PAGES);
    if (task->copying == NULL)
        task->copying = memory_new(physmem->allocator, sizeof(*task->copying));
    if (task->copying != NULL)
        clean = copies_extent_new(physmem, task, copy->moves);
    if (clean == NULL) {
        emit_done(physmem, request, ENOMEM, 0, "physmem has no memory for an extent");
        return;
    }
    clean->number = task->id;
    *task->copying = (struct copying){.seq = request->seq,
                                      .extent = clean->handle,
                                      .from = copy->from->handle,
                                      .to = copy->to->handle,
                                      .pieces = count,
                                      .control = request->control};
    memcpy(task->copying->piece, pieces, count * sizeof(pieces[0]));
}

/* What is wrong with the pieces, whatever the slots hold; 0: nothing. */
static int wrong_pieces(struct copy_request *copy, const struct physmem_piece *pieces,
                        uint32_t count)
{
    uint32_t slots = 0;

    check(copy->from->slots > 0 && copy->to->slots > 0);
    copy->text = "1 to 64 pieces and at most 256 slots can be copied at once";
    if (count == 0)
        return EINVAL;
    if (count > PHYSMEM_PIECES_MAX)
        return E2BIG;
    for (uint32_t i = 0; i < count; i++) {
        if (pieces[i].count > PHYSMEM_COPY_MAX - slots)
            return E2BIG;
        slots += pieces[i].count;
    }
    copy->text = "a piece is empty or ends beyond the container";
    for (uint32_t i = 0; i < count; i++)
        if (pieces[i].count == 0 || pieces[i].from >= copy->from->slots ||
            pieces[i].count > copy->from->slots - pieces[i].from ||
            pieces[i].to >= copy->to->slots || pieces[i].count > copy->to->slots - pieces[i].to)
            return EINVAL;
    return 0;
}

void physmem_copy(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                  uint32_t from, uint32_t to, const struct physmem_piece *pieces, uint32_t count)
{
    struct physmem_task *task = request->task;
    struct copy_request copy = {.physmem = physmem};
    int error;

    if (!input_begin(physmem, now, request))
        return;
    copy.from = shares_container(physmem, request, from, SLOT_READ);
    copy.to = copy.from == NULL ? NULL : shares_container(physmem, request, to, SLOT_WRITE);
    if (copy.to == NULL)
        return;
    if (copying_waits(task) || task->mapping.container != NULL) {
        emit_done(physmem, request, EBUSY, 0, "another request still waits for an extent");
        return;
    }
    error = wrong_pieces(&copy, pieces, count);
    if (error == 0)
        error = check_all(&copy, pieces, count);
    if (error != 0)
        emit_done(physmem, request, error, copy.number, copy.text);
    else if (copy.moves > 0)
        wait_for_extent(&copy, request, pieces, count);
    else
        carry_out(&copy, request, pieces, count);
}

/* The task whose request a clean extent was made for; NULL if that is over. */
static struct physmem_task *waiting_task(struct physmem *physmem, const struct extent *extent)
{
    struct physmem_task *task = physmem->first;

    check(extent->clean != NULL);
    while (task != NULL && task->id != extent->number)
        task = task->next;
    if (task == NULL || !copying_waits(task) || task->copying->extent != extent->handle)
        return NULL;
    return task;
}

/* Check the request of a task again, now that its clean extent is there, and carry it out. */
static void copy_again(struct physmem *physmem, struct physmem_task *task, struct extent *extent)
{
    const struct copying *copying = task->copying;
    const struct physmem_request request = {task, copying->seq, copying->control};
    struct copy_request copy = {.physmem = physmem,
                                .from = handles_object(&physmem->containers, copying->from),
                                .to = handles_object(&physmem->containers, copying->to),
                                .clean = extent,
                                .text = "a container is gone, or locked, or not shared any more"};
    int error = ENOENT;

    check(!extent->pending);
    if (shares_permit(copy.from, task, SLOT_READ) == 0 &&
        shares_permit(copy.to, task, SLOT_WRITE) == 0)
        error = check_all(&copy, copying->piece, copying->pieces);
    if (error == 0 && copy.moves <= extent->pages) {
        carry_out(&copy, &request, copying->piece, copying->pieces);
        return;
    }
    emit_done(physmem, &request, error != 0 ? error : EBUSY, copy.number,
              error != 0 ? copy.text : "slots changed while they were being copied");
    copies_extent_end(physmem, extent);
}

void copy_continue(struct physmem *physmem, struct extent *extent, uint32_t descriptor, int error)
{
    struct physmem_task *task = waiting_task(physmem, extent);

    ensure(extent->pending && extent->allocated == 0);
    if (error == 0) {
        extent->pending = false;
        extent->descriptor = descriptor;
    }
    if (task != NULL && error != 0)
        copying_end(physmem, task, error, "physmem could not make an extent");
    if (task == NULL || error != 0) {
        copies_extent_end(physmem, extent);
        return;
    }
    copy_again(physmem, task, extent);
    task->copying->extent = 0;
}

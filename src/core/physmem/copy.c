/* The request to copy slots. It is checked as a whole before anything is done. If contents have to
 * move, a clean extent is asked for; when that is there the request is checked again, since anything
 * may have happened. */
#include "core/physmem/copy.h"

#include "core/physmem/copies.h"
#include "core/physmem/copying.h"
#include "core/physmem/emit.h"
#include "core/physmem/input.h"
#include "core/physmem/punch.h"

/* One request, and how far its check or its execution has come. */
struct copy_request {
    struct physmem *physmem;
    struct container *from;
    struct container *to;
    struct extent *clean; /* for contents that move, or NULL */
    uint32_t number;      /* of the slot, counted over all pieces */
    uint32_t moves;       /* pages that move */
    const char *text;     /* what is wrong */
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
    copy->moves += !extent_slot(source, from)->copy;
    copy->text = NULL;
    return 0;
}

/* The contents of a slot move to the next page of the clean extent. */
static void clean_slot(struct copy_request *copy, struct extent *home, uint32_t slot)
{
    uint32_t page = copy->moves++;

    ensure(copy->clean != NULL && page < copy->clean->pages);
    if (home->handle != 0 && !home->pending) /* or it holds zeros */
        copies_move(copy->physmem, home, slot % EXTENT_PAGES, copy->clean, page);
    copies_join(copy->physmem, home, slot, copy->clean, page);
}

static int copy_slot(struct copy_request *copy, uint32_t from, uint32_t to)
{
    struct extent *source = container_extent(copy->from, from);
    struct extent *target = container_extent(copy->to, to);

    if (!extent_slot(source, from)->copy)
        clean_slot(copy, source, from);
    copies_join(copy->physmem, target, to, copies_extent(copy->physmem, source, from),
                source->copied[from % EXTENT_PAGES].page);
    check(extent_slot(target, to)->copy);
    copy->physmem->counters.copies++;
    return 0;
}

/* The pages at home of the slots that became copies are cleared: after all moves, since a home
 * may be the source of several. */
static void clear_homes(struct physmem *physmem, struct container *container,
                        const struct physmem_piece *pieces, uint32_t count, bool to)
{
    struct punch punch = {NULL};

    check(count > 0);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < pieces[i].count; j++) {
            uint32_t slot = (to ? pieces[i].to : pieces[i].from) + j;

            punch_add(physmem, &punch, container_extent(container, slot), slot);
        }
    punch_flush(physmem, &punch);
}

/* Everything is checked, and the clean extent is there if one is needed. */
static void carry_out(struct copy_request *copy, const struct physmem_request *request,
                      const struct physmem_piece *pieces, uint32_t count)
{
    struct physmem *physmem = copy->physmem;

    ensure(for_each(copy, pieces, count, copy_slot) == 0);
    clear_homes(physmem, copy->from, pieces, count, false);
    clear_homes(physmem, copy->to, pieces, count, true);
    /* A slot that came to be a copy by an earlier piece needed no page of its own. */
    if (copy->clean != NULL && copy->clean->allocated == 0)
        copies_extent_end(physmem, copy->clean);
    copy->from->version++;
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
    copy.from = input_container(physmem, request, from);
    copy.to = copy.from == NULL ? NULL : input_container(physmem, request, to);
    if (copy.to == NULL)
        return;
    if (copying_waits(task) || task->mapping.container != NULL) {
        emit_done(physmem, request, EBUSY, 0, "another request still waits for an extent");
        return;
    }
    error = wrong_pieces(&copy, pieces, count);
    if (error == 0)
        error = for_each(&copy, pieces, count, check_slot);
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
                                .text = "the container was destroyed"};
    int error = ENOENT;

    check(!extent->pending);
    if (copy.from != NULL && copy.from->owner == task && copy.to != NULL && copy.to->owner == task)
        error = for_each(&copy, copying->piece, copying->pieces, check_slot);
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

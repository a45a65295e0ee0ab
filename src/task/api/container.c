/* Containers of the program: made and destroyed, mapped and copied. */
#include <errno.h>
#include <string.h>

#include <selfpage/container.h>

#include "base/assert.h"
#include "base/error.h"
#include "task/api/ask.h"
#include "task/containers/book.h"
#include "task/containers/windows.h"
#include "task/state/attached.h"
#include "task/state/guard.h"

/* Slots that one request copies. */
#define COPY_MOST 256u

/* How often a copy is asked for while physmem takes mappings at random. */
#define COPY_ATTEMPTS 4u

/* ---- Making and destroying ---- */

int sp_container_create(struct sp_task *task, uint32_t pages, sp_container *containerp,
                        struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_CONTAINER_CREATE};
    struct wire_message reply;
    struct guard guard;
    int result;

    check(containerp != NULL);
    message.container_create.slots = pages;
    result = ask_physmem(task, &message, WIRE_CONTAINER, &reply, error);
    if (result != 0)
        return result;
    guard_begin(&guard);
    result = book_begin(task, reply.container.container, pages);
    guard_end(&guard);
    if (result != 0) {
        sp_container_destroy(task, reply.container.container, NULL);
        return error_set(error, ENOMEM, "no memory for the books of a container");
    }
    *containerp = reply.container.container;
    return 0;
}

int sp_container_create_with(struct sp_task *task, uint32_t pages, unsigned flags,
                             sp_container *containerp, struct sp_error *error)
{
    sp_container container;
    uint32_t done = 0;
    int result;

    if ((flags & SP_ALLOCATE_PARTIAL) != 0)
        return error_set(error, EINVAL, "a container is made with all its frames, or not at all");
    result = sp_container_create(task, pages, &container, error);
    if (result != 0)
        return result;
    while (done < pages) {
        uint32_t count = pages - done < 65536 ? pages - done : 65536;
        long allocated = sp_container_allocate(task, container, done, count, flags, error);

        if (allocated < 0) {
            sp_container_destroy(task, container, NULL);
            return (int)allocated;
        }
        done += (uint32_t)allocated;
    }
    check(done == pages);
    *containerp = container;
    return 0;
}

int sp_container_create_from(struct sp_task *task, sp_container source, uint32_t first,
                             uint32_t pages, sp_container *containerp, struct sp_error *error)
{
    sp_container container;
    int result = sp_container_create_with(task, pages, 0, &container, error);

    check(containerp != NULL && source != 0);
    if (result != 0)
        return result;
    result = sp_container_copy(task, source, first, container, 0, pages, NULL, error);
    if (result != 0)
        sp_container_destroy(task, container, NULL);
    else
        *containerp = container;
    return result;
}

/* Copy the slots that ranges name to a container, one after the other. Pieces go out as they fit. */
static int gather(struct sp_task *task, sp_container source, const struct sp_slots *slots,
                  uint32_t ranges, sp_container container, struct sp_error *error)
{
    struct sp_copy_piece piece[WIRE_PIECES];
    uint32_t pieces = 0, to = 0;
    int result = 0;

    check(ranges > 0);
    for (uint32_t i = 0; i < ranges && result == 0; i++) {
        piece[pieces++] = (struct sp_copy_piece){slots[i].first, to, slots[i].count};
        to += slots[i].count;
        if (pieces < WIRE_PIECES && i + 1 < ranges)
            continue;
        result = sp_container_copy_pieces(task, source, container, piece, pieces, NULL, error);
        pieces = 0;
    }
    return result;
}

int sp_container_create_gather(struct sp_task *task, sp_container source,
                               const struct sp_slots *slots, uint32_t ranges,
                               sp_container *containerp, struct sp_error *error)
{
    sp_container container;
    uint64_t pages = 0;
    int result;

    check(containerp != NULL && (slots != NULL || ranges == 0));
    for (uint32_t i = 0; i < ranges; i++) {
        if (slots[i].count == 0)
            return error_set(error, EINVAL, "range %u of slots to gather is empty", i);
        pages += slots[i].count;
    }
    if (pages == 0 || pages > SP_CONTAINER_PAGES)
        return error_set(error, pages == 0 ? EINVAL : E2BIG, "a container of %llu slots",
                         (unsigned long long)pages);
    result = sp_container_create_with(task, (uint32_t)pages, 0, &container, error);
    if (result != 0)
        return result;
    result = gather(task, source, slots, ranges, container, error);
    if (result != 0)
        sp_container_destroy(task, container, NULL);
    else
        *containerp = container;
    return result;
}

int sp_container_destroy(struct sp_task *task, sp_container container, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_CONTAINER_DESTROY};
    struct wire_message reply;
    struct guard guard;
    bool mapped;
    int result;

    check(attached_task() == task);
    if (container == 0 || container == task->container)
        return error_set(error, ENOENT, "the program has made no such container");
    guard_begin(&guard);
    mapped = windows_any(task, container);
    guard_end(&guard);
    if (mapped)
        return error_set(error, EBUSY, "the container is mapped: sp_container_unmap first");
    message.container_destroy.container = container;
    result = ask_physmem(task, &message, WIRE_DONE, &reply, error);
    if (result != 0)
        return result;
    guard_begin(&guard);
    book_end(task, container);
    guard_end(&guard);
    return 0;
}

/* ---- Copying ---- */

/* The next request of a copy: as many of the pieces as fit. */
struct copying_step {
    struct sp_copy_piece piece[WIRE_PIECES];
    uint32_t pieces;
    uint32_t slots;
};

/* Take the next step from the pieces. *restp: what is left of the first of them; *countp of them
 * are left. */
static const struct sp_copy_piece *take_step(struct copying_step *step,
                                             const struct sp_copy_piece *pieces, uint32_t *countp,
                                             struct sp_copy_piece *restp)
{
    *step = (struct copying_step){.pieces = 0};
    while (*countp > 0 && step->pieces < WIRE_PIECES && step->slots < COPY_MOST) {
        struct sp_copy_piece part = *restp;

        if (part.count > COPY_MOST - step->slots)
            part.count = COPY_MOST - step->slots;
        step->piece[step->pieces++] = part;
        step->slots += part.count;
        restp->from += part.count;
        restp->to += part.count;
        restp->count -= part.count;
        if (restp->count > 0)
            continue;
        pieces++;
        if (--*countp > 0)
            *restp = *pieces;
    }
    check(step->pieces > 0);
    return pieces;
}

/* Give up the rights to all slots of a step that this task has mapped. `again`: also those that
 * physmem has asked back: the answer to that may come to it after the copy. */
static void give_up_step(struct sp_task *task, sp_container from, sp_container to,
                         const struct copying_step *step, bool again)
{
    struct guard guard;

    guard_begin(&guard);
    for (uint32_t i = 0; i < step->pieces; i++) {
        const struct sp_copy_piece *piece = &step->piece[i];

        windows_give_up(task, from, (struct wire_range){piece->from, piece->count}, again);
        windows_give_up(task, to, (struct wire_range){piece->to, piece->count}, again);
    }
    check(step->pieces > 0);
    guard_end(&guard);
}

/* Copy one step. *failedp: the slot of the step that fails. */
static int copy_step(struct sp_task *task, sp_container from, sp_container to,
                     const struct copying_step *step, uint32_t *failedp, struct sp_error *error)
{
    struct wire_message message;
    struct wire_message reply;
    int result = -EBUSY;

    check(step->slots > 0 && step->slots <= COPY_MOST && step->pieces <= WIRE_PIECES);
    for (uint32_t attempt = 0; attempt < COPY_ATTEMPTS && result == -EBUSY; attempt++) {
        message = (struct wire_message){.type = WIRE_COPY};
        message.copy.from = from;
        message.copy.to = to;
        message.copy.pieces_count = (uint16_t)step->pieces;
        for (uint32_t i = 0; i < step->pieces; i++)
            message.copy.pieces[i] =
                (struct wire_piece){step->piece[i].from, step->piece[i].to, step->piece[i].count};
        give_up_step(task, from, to, step, attempt > 0);
        memset(&reply, 0, sizeof(reply));
        result = ask_physmem(task, &message, WIRE_DONE, &reply, error);
    }
    *failedp = reply.type == WIRE_DONE ? reply.done.count : 0;
    return result;
}

int sp_container_copy_pieces(struct sp_task *task, sp_container from, sp_container to,
                             const struct sp_copy_piece *pieces, uint32_t count, uint32_t *failedp,
                             struct sp_error *error)
{
    struct sp_copy_piece rest;
    uint32_t done = 0;

    check(pieces != NULL || count == 0);
    for (uint32_t i = 0; i < count; i++)
        if (pieces[i].count == 0 || pieces[i].count > SP_CONTAINER_PAGES)
            return error_set(error, EINVAL, "piece %u has %u slots", i, pieces[i].count);
    if (count == 0)
        return error_set(error, EINVAL, "nothing to copy");
    rest = pieces[0];
    while (count > 0) {
        struct copying_step step;
        uint32_t failed;
        int result;

        pieces = take_step(&step, pieces, &count, &rest);
        result = copy_step(task, from, to, &step, &failed, error);
        if (result != 0 && failedp != NULL)
            *failedp = done + failed;
        if (result != 0)
            return result;
        done += step.slots;
    }
    return 0;
}

int sp_container_copy(struct sp_task *task, sp_container from, uint32_t from_first, sp_container to,
                      uint32_t to_first, uint32_t count, uint32_t *failedp, struct sp_error *error)
{
    const struct sp_copy_piece piece = {from_first, to_first, count};

    check(attached_task() == task);
    return sp_container_copy_pieces(task, from, to, &piece, 1, failedp, error);
}

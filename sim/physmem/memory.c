/* Effects of the core on memory that is shared with tasks: extents and frame stacks. */
#include "service.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/extent.h"
#include "os/shared.h"

void memory_extent_make(struct service *service, const struct physmem_effect *effect)
{
    int fd = -EMFILE;

    if (service->extents < service->extents_max)
        fd = extent_create("selfpage", effect->extent.count, NULL);
    if (fd < 0) {
        log_line(&service->server.log, "extent", "cannot make an extent for task %s: %s",
                 physmem_task_identity(effect->task)->name, strerror(-fd));
        physmem_extent_ready(service->physmem, clock_now_ns(), effect->extent.extent, 0,
                             (uint32_t)-fd);
        return;
    }
    service->extents++;
    physmem_extent_ready(service->physmem, clock_now_ns(), effect->extent.extent, (uint32_t)fd, 0);
}

void memory_extent_send(struct service *service, const struct physmem_effect *effect)
{
    struct wire_message *message = effect_message(service, WIRE_EXTENT);

    message->extent.extent = effect->extent.extent;
    message->extent.pages = effect->extent.count;
    effect_send(service, effect_seat(effect)->request, (int)effect->extent.descriptor);
}

static void extent_fail(struct service *service, const char *what, int64_t code)
{
    log_line(&service->server.log, "extent", "cannot %s an extent: %s", what, strerror((int)-code));
}

void memory_extent_change(struct service *service, const struct physmem_effect *effect)
{
    int fd = (int)effect->extent.descriptor;
    int64_t code = 0;

    switch (effect->kind) {
    case PHYSMEM_EXTENT_PUNCH:
        code = extent_punch(fd, effect->extent.offset, effect->extent.count);
        if (code < 0)
            extent_fail(service, "clear pages of", code);
        break;
    case PHYSMEM_EXTENT_AUDIT:
        code = extent_blocks(fd);
        if (code < 0)
            extent_fail(service, "audit", code);
        else
            physmem_audit_done(service->physmem, clock_now_ns(), effect->extent.extent,
                            effect->extent.count, (uint64_t)code);
        break;
    default:
        code = extent_truncate(fd);
        if (code < 0)
            extent_fail(service, "revoke", code);
        close(fd);
        service->extents--;
        break;
    }
}

/* ---- Frame stacks ---- */

void memory_stack_make(struct service *service, const struct physmem_effect *effect)
{
    const struct physmem_request request = {effect->task, effect->seq, effect->control};
    size_t size = frame_stack_size(effect->stack.places);
    struct shared shared;
    struct sp_error error;
    int code;

    /* Whole pages: what would be left over is used, too. */
    size = (size + SP_PAGE_SIZE - 1) / SP_PAGE_SIZE * SP_PAGE_SIZE;
    code = shared_create(&shared, "selfpage-stack", size, &error);
    if (code != 0) {
        log_line(&service->server.log, "stack", "no frame stack for task %s: %s",
                 physmem_task_identity(effect->task)->name, error.text);
        physmem_stack_ready(service->physmem, clock_now_ns(), &request, NULL, 0, 0,
                            (uint32_t)-code);
        return;
    }
    physmem_stack_ready(service->physmem, clock_now_ns(), &request, shared.memory,
                        frame_stack_places(size), (uint32_t)shared.fd, 0);
}

void memory_stack_send(struct service *service, const struct physmem_effect *effect)
{
    struct wire_message *message = effect_message(service, WIRE_STACK);
    const struct seat *seat = effect_seat(effect);
    struct connection *connection = effect->control ? seat->control : seat->request;

    message->stack.places = effect->stack.places;
    effect_send(service, connection, (int)effect->stack.descriptor);
    /* The mapping is enough from now on. */
    close((int)effect->stack.descriptor);
    effect_message(service, WIRE_DONE);
    message->seq = effect->seq;
    message->done.count = effect->stack.places;
    message->done.text[0] = '\0'; /* the encoder fills what is behind with zeros */
    if (effect->seq != 0)
        effect_send(service, connection, -1);
}

void memory_stack_unmap(const struct physmem_effect *effect)
{
    struct shared shared = {
        .memory = effect->stack.stack, .size = frame_stack_size(effect->stack.places), .fd = -1};

    shared_close(&shared);
}

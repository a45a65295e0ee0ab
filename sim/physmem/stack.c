#include "stack.h"

#include <string.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/shared.h"
#include "seat.h"
#include "send.h"

void stack_make(struct service *service, const struct physmem_effect *effect)
{
    const struct physmem_request request = {effect->task, effect->seq, effect->control};
    size_t size = frame_stack_size(effect->stack.places);
    struct shared shared;
    struct sp_error error;
    int code;

    /* Whole pages: the rest of the last one is used, too. */
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

void stack_send(struct service *service, const struct physmem_effect *effect)
{
    struct wire_message *message = send_begin(service, WIRE_STACK, 0);
    const struct seat *seat = seat_of(effect);
    struct connection *connection = effect->control ? seat->control : seat->request;

    message->stack.places = effect->stack.places;
    send_to(service, connection, (int)effect->stack.descriptor);
    /* The mapping is enough from now on. */
    close((int)effect->stack.descriptor);
    send_begin(service, WIRE_DONE, effect->seq);
    message->done.count = effect->stack.places;
    message->done.text[0] = '\0'; /* the encoder fills what is behind with zeros */
    if (effect->seq != 0)
        send_to(service, connection, -1);
}

void stack_unmap(const struct physmem_effect *effect)
{
    struct shared shared = {
        .memory = effect->stack.stack, .size = frame_stack_size(effect->stack.places), .fd = -1};

    shared_close(&shared);
}

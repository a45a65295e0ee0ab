/* The fixture of selfpage/testing.h: what the servers say about themselves. */
#include "testing/fixture.h"

#include <errno.h>

#include "base/error.h"
#include "testing/inworld.h"

/* The observer of a server, connected: to the server as it runs now. */
static int fixture_observe(struct sp_testing *fixture, enum sp_testing_server server,
                           struct observer **observerp, struct sp_error *error)
{
    const char *path = sp_testing_socket(fixture, server);
    int result = 0;

    if (path == NULL)
        return error_set(error, ENOENT, "the fixture was started without swap");
    *observerp = &fixture->servers[server].observer;
    if ((*observerp)->link.fd < 0)
        result = observer_connect(*observerp, path, "testing", error);
    return result == -ENOENT || result == -ECONNREFUSED ? -EPIPE : result;
}

static int fixture_refresh(struct sp_testing *fixture, enum sp_testing_server server,
                           struct observer **observerp, struct sp_error *error)
{
    int result = fixture_observe(fixture, server, observerp, error);

    return result != 0 ? result : observer_refresh(*observerp, fixture->timeout_ms, error);
}

#define COPY(type, name, unit, meaning)       status->name = from->name;
#define COPY_STATE(name, list, unit, meaning) status->name = from->name;

int sp_testing_physmem_status(struct sp_testing *fixture, struct sp_testing_physmem *status,
                              struct sp_error *error)
{
    struct observer *observer = NULL;
    const struct observed_physmem *from;
    int result;

    if (fixture->world != NULL)
        return inworld_physmem(fixture, status, error);
    result = fixture_refresh(fixture, SP_TESTING_PHYSMEM, &observer, error);
    if (result != 0)
        return result;
    from = &observer->physmem;
    SP_PHYSMEM_STATUS(COPY, COPY_STATE)
    return 0;
}

int sp_testing_swap_status(struct sp_testing *fixture, struct sp_testing_swap *status,
                           struct sp_error *error)
{
    struct observer *observer = NULL;
    const struct observed_swap *from;
    int result;

    if (fixture->world != NULL)
        return inworld_swap(fixture, status, error);
    result = fixture_refresh(fixture, SP_TESTING_SWAP, &observer, error);
    if (result != 0)
        return result;
    from = &observer->swap;
    SP_SWAP_STATUS(COPY, COPY_STATE)
    return 0;
}

int sp_testing_task_status(struct sp_testing *fixture, const char *name,
                           struct sp_testing_task_status *status, struct sp_error *error)
{
    struct observer *observer = NULL;
    const struct observed_task *from;
    int result;

    if (fixture->world != NULL)
        return inworld_task(fixture, name, status, error);
    result = fixture_refresh(fixture, SP_TESTING_PHYSMEM, &observer, error);
    if (result != 0)
        return result;
    from = observer_task_named(observer, name);
    if (from == NULL)
        return error_set(error, ENOENT, "physmem knows no task named %s", name);
    SP_TASK_STATUS(COPY, COPY_STATE)
    return 0;
}

int sp_testing_recall(struct sp_testing *fixture, const char *name, uint32_t frames,
                      struct sp_error *error)
{
    struct observer *observer = NULL;
    int result;

    if (fixture->world != NULL)
        return inworld_recall(fixture, name, frames, error);
    result = fixture_observe(fixture, SP_TESTING_PHYSMEM, &observer, error);
    if (result != 0)
        return result;
    return observer_recall_wait(observer, name, frames, fixture->timeout_ms, error);
}

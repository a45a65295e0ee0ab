/* What tasks and servers of a fixture both need. */
#include <sys/stat.h>
#include <unistd.h>

#include "testing/fixture.h"

size_t parts_log_tail(const struct launched_log *log, char *buffer, size_t size)
{
    struct stat status;
    ssize_t got = 0;

    if (log->write >= 0 && fstat(log->write, &status) == 0) {
        off_t start = status.st_size - (off_t)(size - 1);

        got = pread(log->write, buffer, size - 1, start > 0 ? start : 0);
    }
    buffer[got > 0 ? got : 0] = '\0';
    return got > 0 ? (size_t)got : 0;
}

const char *sp_testing_directory(const struct sp_testing *fixture)
{
    return fixture->world == NULL ? fixture->directory.path : NULL;
}

const char *sp_testing_socket(const struct sp_testing *fixture, enum sp_testing_server server)
{
    if (fixture->servers[server].arguments.count == 0)
        return NULL;
    return server == SP_TESTING_PHYSMEM ? fixture->directory.physmem : fixture->directory.swap;
}

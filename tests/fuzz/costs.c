/* Any bytes as a file of costs: it is taken, and every cost is one that a play can add up, or it is refused
 * with a reason. */
#include <errno.h>

#include "file_input.h"
#include "selfpage/simulate/costs_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct costs costs = costs_default();
    struct sp_error error = {0};
    char path[40];
    int fd = file_of(data, size, path);
    int result = costs_file_read(path, &costs, &error);

    if (result != 0 && (result != -EINVAL || error.text[0] == '\0'))
        abort();
    if (costs.depth < 1 || costs.depth > COSTS_DEPTH_MAX)
        abort();
#define CHECK_COST(name, value, meaning)                                                           \
    if (costs.name > UINT64_C(3600) * 1000000000)                                                  \
        abort();
    PLAY_COSTS(CHECK_COST)
#undef CHECK_COST
    close(fd);
    return 0;
}

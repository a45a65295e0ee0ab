/* Any bytes as a file of entitlements. */
#include "entitlements/entitlements.h"
#include "file_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct limit *limits = NULL;
    struct sp_error error = {0};
    uint32_t count = 0;
    char path[40];
    int fd = file_of(data, size, path);

    if (entitlements_load(path, &limits, &count, &error) != 0 && error.text[0] == '\0')
        abort();
    for (uint32_t i = 0; i < count; i++)
        if (limits[i].whom >= LIMIT_WHOMS || limits[i].name[sizeof(limits[i].name) - 1] != '\0')
            abort();
    free(limits);
    close(fd);
    return 0;
}

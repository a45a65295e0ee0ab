/* Any bytes as a scenario. */
#include "file_input.h"
#include "selfpage/scenario/scenario.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct yaml_index positions = {0};
    struct scenario *scenario = NULL;
    struct sp_error error = {0};
    char path[40];
    int fd = file_of(data, size, path);
    int result = scenario_load(path, NULL, &scenario, &positions, &error);

    if (result != 0 && (error.text[0] == '\0' || scenario != NULL))
        abort(); /* a refusal says why, and leaves nothing */
    if (result == 0 && (scenario->physmem.frames == 0 || scenario->timeout_ns == 0))
        abort();
    scenario_free(&scenario);
    yaml_index_fini(&positions);
    close(fd);
    return 0;
}

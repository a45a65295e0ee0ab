// The policy laboratory from C++: a loop that does not fit, which only the last-in policy survives.
#include <selfpage/replay.h>

#include <cstdio>
#include <vector>

int main()
{
    const char *const policies[] = {"lru", "mru"};
    const struct sp_replay_size sizes[] = {{100, 0}};
    struct sp_replay_options options = {};
    struct sp_error error = {};
    struct sp_trace *trace = nullptr;
    struct sp_replay *replay = nullptr;
    std::vector<uint64_t> ids;
    bool good;

    for (unsigned i = 0; i < 2000; i++)
        ids.push_back(i % 200);
    options.version = SP_REPLAY_VERSION;
    options.policies = policies;
    options.policy_count = 2;
    options.sizes = sizes;
    options.size_count = 1;
    if (sp_trace_from_ids(&trace, ids.data(), nullptr, ids.size(), &error) != 0 ||
        sp_replay_run(&replay, trace, &options, &error) != 0) {
        std::puts(error.text);
        return 1;
    }
    good =
        sp_replay_result(replay, 0)->misses == 2000 && sp_replay_result(replay, 1)->misses < 1200;
    sp_replay_free(&replay);
    sp_trace_close(&trace);
    return good ? 0 : 1;
}

// A test of somebody else's eviction policy and arbiter, in virtual time: no server, a millisecond.
#include <selfpage/world.h>

#include <cstdio>
#include <initializer_list>

namespace
{
bool fails(const sp_error &error)
{
    std::fprintf(stderr, "%s\n", error.text);
    return false;
}

bool play(const char *arbiter, uint64_t *hash)
{
    sp_error error = {};
    sp_world *world = nullptr;
    sp_world_options options = {};
    sp_world_task task = {};
    bool good = true;

    options.version = SP_WORLD_VERSION;
    options.frames = 100;
    options.arbiter = arbiter;
    if (sp_world_new(&world, &options, &error) != 0)
        return fails(error);
    task.version = SP_WORLD_VERSION;
    task.workload = "pages=120;zipf=0.8,writes=0.2,references=5000";
    task.contract = "guaranteed=10;extra=90";
    for (const char *name : {"one", "two"}) {
        task.name = name;
        good = good && sp_world_add(world, &task, &error) >= 0;
    }
    good = good && sp_world_run(world, &error) == 0 &&
           sp_world_expect(world, "sum(tasks.exit_status) == 0", &error) == 1 &&
           sp_world_expect(world, "one.recalls_missed + two.recalls_missed == 0", &error) == 1 &&
           sp_world_expect(world, "physmem.free == 100", &error) == 1;
    *hash = sp_world_hash(world);
    sp_world_free(&world);
    return good || fails(error);
}
} // namespace

int main()
{
    uint64_t first = 0, second = 0;

    if (sp_world_version() != SP_WORLD_VERSION)
        return 1;
    return play("maxmin", &first) && play("maxmin", &second) && first == second ? 0 : 1;
}

// First in, first out, in C++: the constant is found in the shared object though C++ gives constants
// internal linkage, and with hidden visibility. And an arbiter that takes nothing.
#include <cstddef>
#include <cstdint>

#include <selfpage/arbiter.h>
#include <selfpage/page_list.h>

namespace {

struct fifo {
    sp_list queue;
    sp_link *links()
    {
        return reinterpret_cast<sp_link *>(this + 1);
    }
};

std::size_t fifo_size(const sp_policy_config *config)
{
    return sizeof(fifo) + config->pages * sizeof(sp_link);
}

void fifo_insert(void *self, sp_page page, sp_access)
{
    auto *f = static_cast<fifo *>(self);

    sp_list_push_front(&f->queue, f->links(), page);
}

sp_page fifo_victim(void *self, sp_page)
{
    return sp_list_back(&static_cast<fifo *>(self)->queue);
}

void fifo_remove(void *self, sp_page page, sp_removal)
{
    auto *f = static_cast<fifo *>(self);

    sp_list_remove(&f->queue, f->links(), page);
}

constexpr sp_policy make_policy()
{
    sp_policy policy = {};

    policy.abi = SP_POLICY_ABI;
    policy.flags = SP_POLICY_LIVE;
    policy.name = "cxx-fifo";
    policy.size = fifo_size;
    policy.insert = fifo_insert;
    policy.victim = fifo_victim;
    policy.remove = fifo_remove;
    return policy;
}

std::uint32_t decide(void *, std::uint64_t, const sp_arbiter_task *, std::size_t,
                     const sp_arbiter_request *request, std::uint32_t *)
{
    return request->frames;
}

constexpr sp_arbiter make_arbiter()
{
    sp_arbiter arbiter = {};

    arbiter.abi = SP_ARBITER_ABI;
    arbiter.name = "cxx-all";
    arbiter.decide = decide;
    return arbiter;
}

} // namespace

const struct sp_policy sp_policy_plugin = make_policy();
const struct sp_arbiter sp_arbiter_plugin = make_arbiter();

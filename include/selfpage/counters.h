/* Selfpage: everything that is counted. Five tables, each row a counter: its type, name, unit and
 * meaning. The structs, the messages to observers, selfpage/testing.h, the names that expectations
 * use, the JSON objects and the help of `selfpage run` come from these tables.
 *
 * HOW DO I ADD A COUNTER? One line at the end of its table, then the code that counts. Nothing else
 * changes: the name in expectations, the JSON field and the help come with the line. wire_counters
 * fails if a name is in two tables with two meanings, wire_schema if a line is not at the end.
 *
 * X(type, name, unit, meaning): a number. type: u32 or u64.
 * E(name, list, unit, meaning): a state, below limit, in one byte.
 * A counter only grows; "now" in its meaning says that a number also falls. */
#ifndef SELFPAGE_COUNTERS_H
#define SELFPAGE_COUNTERS_H

#include <stdint.h>

/** What a task counts itself; struct sp_stats. TASK.name in expectations. */
#define SP_TASK_COUNTERS(X, E)                                                                     \
    X(u64, faults, "faults", "that needed a frame: first touches, refills and loads from swap")    \
    X(u64, soft_faults, "faults", "on pages that had their frame: sampled, watched, unmapped")     \
    X(u64, evictions, "pages", "that gave up their frame, for whatever reason")                    \
    X(u64, swapped_out, "pages", "written to swap and acknowledged")                               \
    X(u64, swapped_in, "pages", "read back from swap")                                             \
    X(u64, dropped, "pages", "evicted without a write: their contents were dropped")               \
    X(u64, refilled, "pages", "made again by a refill callback")                                   \
    X(u64, zeroed, "pages", "cleared because their frame had been used before")                    \
    X(u64, recalls_heard, "recalls", "received by the task")                                       \
    X(u64, recalls_answered, "recalls", "answered in full by the task, in time or late")           \
    X(u64, returned, "frames", "given back to physmem by the task")                                \
    X(u64, pages_unmapped, "pages", "unmapped at physmem's request")                               \
    X(u64, waits, "faults", "that had to wait for a write to swap")                                \
    X(u64, policy_errors, "errors", "of the eviction policy: it named a page that it must not")    \
    X(u64, map_limited, "pages", "unmapped, keeping their frames, because of vm.max_map_count")    \
    X(u64, resident, "pages", "that have a frame now")                                             \
    X(u64, held, "frames", "held by the task now")                                                 \
    X(u64, guaranteed, "frames", "guaranteed by contracts now")                                    \
    X(u64, extra, "frames", "allowed by contracts beyond the guarantee now")                       \
    X(u64, pages, "pages", "of all regions now")                                                   \
    X(u64, pinned, "pages", "pinned now")                                                          \
    X(u64, taken, "frames", "found taken from the frame stack by physmem")                         \
    X(u64, ghost_hits, "faults", "on pages that twice the frames would have kept")                 \
    X(u64, frames_lost, "frames", "reported to the task as repossessed")                           \
    X(u64, read_ahead, "pages", "read back from swap before they were needed")                     \
    X(u64, read_ahead_used, "pages", "of these, known to have been needed")                        \
    X(u64, read_ahead_wasted, "pages", "of these, that lost their frame without a known use")      \
    X(u64, loaded_itself, "pages", "of those read back, by the task itself, from its own file")

/** What physmem counts for a task. TASK.name in expectations, too. The last four are what the task says,
 *  as long as it lives, in the memory that it shares with physmem (see SP_ATTACH_NO_FRAME_STACK); where
 *  the task's own counters have the same name, TASK.name is those. */
#define SP_TASK_STATUS(X, E)                                                                       \
    X(u32, id, "number", "by which physmem knows the task")                                        \
    X(u32, pid, "number", "of the task's process")                                                 \
    X(u32, uid, "number", "of the task's user")                                                    \
    X(u32, guaranteed, "frames", "guaranteed by contracts now")                                    \
    X(u32, extra, "frames", "allowed by contracts beyond the guarantee now")                       \
    X(u32, leased, "frames", "of timed contracts now")                                             \
    X(u32, held, "frames", "held by the task now")                                                 \
    X(u32, soft, "frames", "released, and recoverable until they are reused, now")                 \
    X(u32, owed, "frames", "recalled, and not returned yet, now")                                  \
    X(u32, contracts, "contracts", "active now")                                                   \
    X(u64, allocations, "frames", "allocated by the task")                                         \
    X(u64, recalls, "recalls", "sent")                                                             \
    X(u64, recalls_met, "recalls", "answered in full and in time")                                 \
    X(u64, recalls_missed, "recalls", "not answered in full when their deadline passed")           \
    X(u32, overdue, "frames", "recalled, not returned, and past the deadline now")                 \
    X(u64, warnings, "recalls", "missed and forgiven, with or without a charge")                   \
    X(u64, penalty, "charge", "for missed recalls, in the unit of penalties")                      \
    X(u64, repossessed, "frames", "taken by force after a missed recall")                          \
    X(u64, unmaps, "requests", "to unmap pages, sent")                                             \
    E(breached, WIRE_BOOLEANS, "state", "1: the task broke a contract and lost all its frames")    \
    E(reason, WIRE_REASONS, "state", "enum sp_reason: why the task lost all its frames")           \
    X(u64, frames_recalled, "frames", "asked for by recalls")                                      \
    X(u64, recalls_transparent, "times", "that physmem took unused frames from a frame stack")     \
    X(u64, frames_transparent, "frames", "taken unused from a frame stack, without a recall")      \
    X(u32, available, "frames", "that the task could have, as last told; 0: it never watched")     \
    X(u32, demand, "frames", "that the task would use now, as it says; 0: it does not say")        \
    X(u64, faults, "faults", "that needed a frame: first touches, refills and loads from swap")    \
    X(u64, swapped_out, "pages", "written to swap and acknowledged")                               \
    X(u64, swapped_in, "pages", "read back from swap")

/** What physmem counts in all. physmem.name in expectations. */
#define SP_PHYSMEM_STATUS(X, E)                                                                    \
    X(u32, frames, "frames", "in all")                                                             \
    X(u32, free, "frames", "free now")                                                             \
    X(u32, soft, "frames", "released, and recoverable until they are reused, now")                 \
    X(u32, guaranteed, "frames", "guaranteed by contracts now")                                    \
    X(u32, leased, "frames", "of timed contracts now")                                             \
    X(u32, tasks, "tasks", "attached now")                                                         \
    X(u32, extents, "memfds", "that back frames now")                                              \
    X(u64, allocated, "frames", "allocated by all tasks")                                          \
    X(u64, regained, "frames", "that came back from tasks, in whatever way")                       \
    X(u64, proposals, "proposals", "received")                                                     \
    X(u64, accepted, "proposals", "accepted")                                                      \
    X(u64, countered, "proposals", "answered by a counter-offer")                                  \
    X(u64, refused, "proposals", "refused")                                                        \
    X(u64, recalls, "recalls", "sent")                                                             \
    X(u64, recalls_met, "recalls", "answered in full and in time")                                 \
    X(u64, recalls_missed, "recalls", "not answered in full when their deadline passed")           \
    X(u64, warnings, "recalls", "missed and forgiven, with or without a charge")                   \
    X(u64, repossessed, "frames", "taken by force after a missed recall")                          \
    X(u64, breaches, "tasks", "that broke a contract and lost all their frames")                   \
    X(u64, unmaps, "requests", "to unmap pages, sent")                                             \
    X(u64, audits, "extents", "checked for pages that nobody may have")                            \
    X(u64, compacted, "frames", "moved to other numbers, to make blocks")                          \
    X(u64, messages, "messages", "received")                                                       \
    X(u64, violations, "connections", "closed for input that the protocol forbids")                \
    E(control, WIRE_CONTROL_STATES, "state",                                                       \
      "1: a policy server decides; 2: it has died; 0: neither")                                    \
    X(u32, controllers, "policy servers", "that ever had control")                                 \
    X(u64, entitlements, "times", "that a policy server had looked at the table")                  \
    X(u64, frames_recalled, "frames", "asked for by recalls")                                      \
    X(u64, recalls_transparent, "times", "that physmem took unused frames from a frame stack")     \
    X(u64, frames_transparent, "frames", "taken unused from a frame stack, without a recall")      \
    X(u64, passes, "passes", "of the server's loop that found input, and handled all of it")       \
    X(u64, recall_passes, "passes", "of the server's loop that sent recalls")                      \
    X(u64, overruled, "answers", "of the arbiter that broke a promise and were corrected")         \
    X(u64, copies, "slots", "copied logically")                                                    \
    X(u64, moved, "pages", "whose bytes were moved, for copies and for writes to them")            \
    X(u64, broken, "copies", "that a write made a page of their own")                              \
    X(u32, shared, "pages", "that more than one slot names now")                                   \
    X(u64, locks, "locks", "of containers by tasks that do not own them")                          \
    X(u64, locks_expired, "locks", "that ended because their time was over")                       \
    X(u32, fragmentation, "per mille",                                                             \
      "that the largest free block is smaller than it could be now")                               \
    X(u64, swapped, "slots", "whose pages were given to swap by sp_swap")                          \
    X(u64, swap_stored, "pages", "written for that")                                               \
    X(u64, swap_shared, "slots", "of these, whose page was in swap already, or on its way")        \
    X(u64, swap_loaded, "pages", "loaded by sp_swap_in")                                           \
    X(u64, swap_shown, "slots", "given their page by sp_swap_in that memory still showed")         \
    X(u64, swap_recovered, "slots", "given their frame back by sp_swap_in that was not reused")    \
    X(u64, swap_lost, "pages", "that were lost with the swap server")                              \
    X(u32, swap_pages, "pages", "that physmem has in swap now")

/** What swap counts. swap.name in expectations. */
#define SP_SWAP_STATUS(X, E)                                                                       \
    X(u32, slots, "slots", "in all")                                                               \
    X(u32, used, "slots", "in use now")                                                            \
    X(u32, reserved, "slots", "reserved by tasks now")                                             \
    X(u32, clients, "clients", "present now")                                                      \
    X(u64, stores, "pages", "stored")                                                              \
    X(u64, loads, "pages", "loaded")                                                               \
    X(u64, frees, "pages", "freed")                                                                \
    X(u64, writes, "writes", "to the device")                                                      \
    X(u64, reads, "reads", "from the device")                                                      \
    X(u64, failed, "operations", "of the device that failed")                                      \
    X(u64, corrupt, "pages", "whose checksum did not match")                                       \
    X(u64, messages, "messages", "received")                                                       \
    X(u64, violations, "connections", "closed for input that the protocol forbids")                \
    X(u64, zero, "pages", "of zeros among those stored: they took no slot, and no write")          \
    X(u64, compressed, "pages", "that lie compressed on the device now")                           \
    X(u64, incompressible, "pages", "that did not compress, and lie as they are now")              \
    X(u64, packed, "bytes", "that the pages of the last two take now")                             \
    X(u64, compactions, "times", "that blocks of compressed pages were emptied to make room")      \
    X(u32, fast, "pages", "on the fast device of a tier now")                                      \
    X(u64, demoted, "pages", "that went down to the slow device of a tier")                        \
    X(u64, promoted, "pages", "that came up to the fast device of a tier")                         \
    X(u32, queued, "requests", "of clients that wait for their turn now")                          \
    X(u64, reconnects, "times", "that the device's connection to its server was made again")       \
    X(u32, in_flight, "requests", "that the device's server has not answered now")                 \
    X(u64, lone, "requests", "to load, done without a hand-over to a thread")                      \
    X(u32, own_files, "files", "of clients that load by themselves, now")                          \
    X(u64, own_loads, "pages", "of those loaded, by clients themselves, as they say")

/** What a file server counts. fileserver.name in expectations. Like those of a task, these are of the object
 *  that is named: reads, writes and refused are not those of swap and of physmem. */
#define SP_FILESERVER_STATUS(X, E)                                                                 \
    X(u32, clients, "clients", "present now")                                                      \
    X(u32, files, "files", "that clients have open now, with directories")                         \
    X(u32, cached, "pages", "of the cache that have frames now")                                   \
    X(u64, opens, "files", "opened, with directories")                                             \
    X(u64, reads, "requests", "to read up to 16 pages of a file")                                  \
    X(u64, hits, "requests", "whose pages were in the cache")                                      \
    X(u64, recovered, "requests", "of these, whose pages had been released softly")                \
    X(u64, misses, "requests", "whose pages were read from the file")                              \
    X(u64, refused, "requests", "to read or to write that failed")                                 \
    X(u64, bytes, "bytes", "of files delivered to clients")                                        \
    X(u64, writes, "requests", "to write up to 16 pages of a file")                                \
    X(u64, bytes_written, "bytes", "of clients written to files")                                  \
    X(u64, messages, "messages", "received")                                                       \
    X(u64, violations, "connections", "closed for input that the protocol forbids")

/* X and E that make the members of a struct. */
#define SP_COUNTER_TYPE_u32                         uint32_t
#define SP_COUNTER_TYPE_u64                         uint64_t
#define SP_COUNTER_FIELD(type, name, unit, meaning) SP_COUNTER_TYPE_##type name;
#define SP_STATE_FIELD(name, list, unit, meaning)   uint8_t name;

#endif

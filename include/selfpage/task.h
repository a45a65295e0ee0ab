/* Selfpage: the task's half: attach to physmem and swap, negotiate contracts, create regions of
 * memory that this process pages itself.
 *
 * The shortest program:
 *
 *   struct sp_task *task;
 *   struct sp_error error;
 *   char *memory;
 *   if (sp_attach(&task, NULL, &error) != 0 ||
 *       sp_region_create(task, &(struct sp_region_options){.pages = 1000}, (void **)&memory,
 *                        &error) != 0)
 *       errx(2, "%s", error.text);
 *   memory[123456] = 'x';            // a page fault, handled here, in this process
 *   sp_detach(&task);
 *
 * started by `selfpage run`, or with SELFPAGE_PHYSMEM, SELFPAGE_SWAP and SELFPAGE_CONTRACT set.
 *
 * THREADS. All functions may be called from any thread; none from a signal handler. Managed memory
 * may be touched by any thread. Faults are handled on the faulting thread inside a SIGSEGV or
 * SIGBUS handler, on an alternate stack where the thread has one (the thread that attaches gets
 * one; others call sp_thread_begin). A thread may be cancelled, and may end, at any time: neither a
 * fault nor a function of this library is a point of cancellation; a cancellation waits until it is over.
 *
 * STACK. A fault needs SP_FAULT_STACK bytes on the stack that it is handled on: the alternate stack, or
 * what is left of the thread's own. At a thread's first fault the library looks whether they are there,
 * and otherwise ends the process with a line that says how many are missing. Before that, the kernel needs
 * sysconf(_SC_MINSIGSTKSZ) bytes of an alternate stack, and ends the process without a word if there are
 * fewer, which MINSIGSTKSZ of <signal.h> can be. sp_attach and sp_thread_begin replace a smaller one.
 *
 * FRAMES. A task keeps a sixteenth of its frames, at most 16, at hand for the next faults, and
 * evicts until twice as many are: of N frames between N - min(32, N/8) and N - min(16, N/16) are in
 * use when it pages (below 16 frames, all). Therefore compare a live task with N frames with a
 * replay at its counter `resident`. One instruction may need several pages at once, four at most on
 * x86-64: with fewer frames than that the process may end, with a line that says so, at an
 * instruction that needs more.
 *
 * READ-AHEAD. Where faults on pages in swap make a run, up, down or every n-th page, the pages that come next are
 * loaded with the one that is needed, in one request, and mapped: 4 of them at first, then twice as many each time that
 * the run goes on, 31 at most, and an eighth of the frames at most. Several runs go on side by side. Pages whose use is
 * not seen before they are evicted are counted (read_ahead_wasted); where they are most, fewer are read ahead from then
 * on. A policy may refuse (struct sp_policy.ahead). While a task reads ahead, as many frames more than above are free or
 * about to be.
 *
 * MEMORY THAT IS NOT EXECUTED. Managed memory can be read and written. Calling code in it, or
 * taking rights from it or addresses out of it (mprotect, munmap, mmap), makes an access fail that
 * paging cannot repair: it goes to the program's own handler, or ends the process, after a line.
 *
 * PAGE SIZES. A task whose contracts have order N pages in units of 2^N base pages: a fault brings in
 * and maps such a page whole, an eviction writes all of it to swap in one message, physmem gives it a
 * block of frames in a row. That saves faults where neighbours are used together, and costs frames
 * and swap traffic where they are not. Everything here still counts base pages of SP_PAGE_SIZE:
 * sizes of regions, ranges, frames of contracts (whole multiples of 2^N), counters; the events among
 * them (faults, soft_faults, waits) count once for each page of whatever size. A region takes whole
 * pages: its last one may be larger than what is left of it. A refill callback is called for each
 * base page. A range that holds only a part of a page pins and advises all of it, and discards
 * nothing of it. Recalls are answered in whole pages, by a few frames too many. An eviction policy
 * sees pages of the size chosen, numbered from 0. Such a task has no frame stack
 * (SP_ATTACH_NO_FRAME_STACK).
 *
 * SYSTEM CALLS DO NOT FAULT. read(2) and its like, given a managed address whose page happens to be
 * unmapped, return EFAULT or a short count; nothing calls the handler. Pin the pages around such
 * calls (sp_pin), or go through a buffer of your own.
 *
 * SIGNALS. The library installs handlers for SIGSEGV and SIGBUS at attach and passes faults outside
 * managed memory to the handlers that were there before, with the sa_mask and the sa_flags that they were
 * installed with (but on the alternate stack of the thread, if it has one). Do not replace them afterwards.
 * sp_attach, sp_thread_begin, and what creates a region or maps a container unblock both in the thread that calls
 * them, for programs that block all signals to take them by sigwait. Threads that it starts after that inherit this.
 * Where a thread blocks SIGSEGV, Linux ends the process at its first fault, before the library can say why: a
 * signal handler whose sa_mask holds SIGSEGV (sigfillset does) must not touch managed memory, nor must a thread that
 * blocks it afterwards. `selfpage run` and sp_testing_run name this as a cause where a task dies of such a signal
 * without a line. Managed memory touched in other signal handlers is paged as usual.
 *
 * DESCRIPTORS. The library opens none of 0, 1 and 2, which may be closed. It needs one for each of physmem's
 * extents (256 frames; fewer where a breach costs frames, see contract.h), raises the limit of open files at attach as far as the system allows, and
 * does without descriptors for extents when fewer than 16 are left. A program must not close what it has
 * not opened: after closefrom(3) a task ends at its next message, with a line.
 *
 * LOCKED MEMORY. Call mlockall before sp_attach, not after it: MCL_CURRENT then fills memory in which
 * physmem has given no frames, and physmem revokes a task for that. With MCL_FUTURE all addresses of
 * max_pages count against the limit of locked memory (ulimit -l).
 *
 * FORK. A child has no contract: managed memory is unmapped in it and the library is detached; a child that touches
 * it ends, with a line (call daemon() before sp_attach). It may attach itself.
 *
 * REVOCATION. A task that misses a recall loses all its frames. The process then dies of SIGBUS as it touches
 * managed memory, with a line on standard error that says why.
 *
 * REPOSSESSION. Under a contract with breach=repossess (or penalty, in the end) only the frames that are missing are
 * taken, and none of what is guaranteed, with a line on standard error. Pages that swap has are read back, discardable
 * ones become zeros, others are made again by their callback. A page that was written and not stored is lost: the
 * process ends with status 2, and a line that says so, as it touches it. Pinned pages are spared: see sp_pin. */
#ifndef SELFPAGE_TASK_H
#define SELFPAGE_TASK_H

#include <stddef.h>
#include <stdint.h>

#include <selfpage/contract.h>
#include <selfpage/error.h>
#include <selfpage/policy.h>
#include <selfpage/stats.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Bytes of stack that a page fault needs, besides what the kernel stores there itself
 *  (sysconf(_SC_MINSIGSTKSZ)) and what a refill callback and an eviction policy of the program use. */
#define SP_FAULT_STACK 16384u

/** An attachment to physmem and swap. At most one in a process. */
struct sp_task;

/** Longest name of a task, with its terminating NUL, in bytes. */
#define SP_NAME_MAX 32

/** A recall, as shown to sp_attach_options.on_recall. */
struct sp_recall {
    uint64_t id;        /**< of this recall, within the task */
    uint32_t frames;    /**< frames to return */
    uint8_t may_clean;  /**< 1: t_clean runs, there is time to write; 0: t_drop runs */
    uint8_t grace_unit; /**< enum sp_grace_unit of `grace` */
    uint64_t grace;     /**< until the deadline, counted from the moment physmem asked */
};

/** What to do about a recall. */
enum sp_recall_answer {
    SP_RECALL_COMPLY = 0, /**< the library returns frames, evicting as its policy says */
    SP_RECALL_IGNORE = 1, /**< nothing is returned: for experiments with breach */
};

/** Frames are short, as shown to sp_attach_options.on_pressure. */
struct sp_pressure {
    /** 1: `frames` were recalled, and will be taken by eviction unless pages are dropped now;
     *  0: nothing is recalled yet, but it may be soon, and not more than this */
    uint8_t recalled;
    uint32_t frames; /**< that would have to be evicted: free frames of the task are not counted */
};

/** Handle faults in a thread of the library instead of on the faulting thread: refill callbacks
 *  and the policy are then free of the restrictions of signal handlers, at the price of two thread
 *  switches a fault. */
#define SP_ATTACH_PAGER_THREAD 1u

/** Do not renew contracts when their term is about to end. */
#define SP_ATTACH_NO_RENEWAL 2u

/** Do not list unused frames for physmem to take. Otherwise those that the task is not using, for
 *  instance after sp_discard, and the few that the library keeps ready for the next faults, stand in
 *  memory that it shares with physmem, in the order in which they would be given up; when frames are
 *  short physmem takes extra ones from there, without a recall, and without on_recall being called.
 *  Frames that the contracts guarantee are never taken this way. A task
 *  with pages larger than the base page (`order` in its contracts) lists none. */
#define SP_ATTACH_NO_FRAME_STACK 4u

/** How to attach. Zero or NULL in any field means: what the environment variable in brackets says,
 *  else the default. */
struct sp_attach_options {
    const char *name;         /**< of the task [SELFPAGE_NAME; the program's name] */
    const char *physmem_path; /**< physmem's socket [SELFPAGE_PHYSMEM; required] */
    const char *swap_path;    /**< swap's socket [SELFPAGE_SWAP; none: no precious regions] */
    /** Contracts to propose at attach, `KIND=FRAMES[,min=N][,term=TIME][,clean=GRACE][,drop=GRACE]
     *  [,breach=revoke|kill|warn|penalty|repossess][,order=N][,weight=N][,bid=N]`, several with ';' between them. TIME is a
     *  number and ns, us, ms, s, m or h, or `forever`; min is FRAMES unless given; GRACE is a TIME or a number of allocations,
     *  `100a`. Example: "guaranteed=256;extra=64,drop=200ms". Counter-offers of at least `min`
     *  frames are accepted. `claim=TOKEN`, alone or among others, claims a part that another task
     *  has split off (sp_split_contract); TOKEN is sp_part.token as a decimal number. Contracts
     *  are numbered from 1 in the order in which they are concluded.
     *  `order=N`, the same in each contract, makes the task's pages 2^N base pages large, N at most
     *  6: see PAGE SIZES above. [SELFPAGE_CONTRACT; required] */
    const char *contract;
    /** An eviction policy by name, with parameters, `clock` or `gclock:bits=3`, or a shared object
     *  that exports SP_POLICY_SYMBOL, if it contains a '/'. [SELFPAGE_POLICY; clock] */
    const char *policy;
    const struct sp_policy *policy_ops; /**< this policy, instead of one by name */
    uint32_t max_pages;  /**< pages that all regions together may have [1,048,576: 4 GiB] */
    uint32_t max_frames; /**< frames ever held at once [all that the contracts allow] */
    uint32_t flags;      /**< SP_ATTACH_*; [SELFPAGE_PAGER_THREAD=1 sets SP_ATTACH_PAGER_THREAD,
                       SELFPAGE_FRAME_STACK=0 sets SP_ATTACH_NO_FRAME_STACK,
                       SELFPAGE_RENEW=0 sets SP_ATTACH_NO_RENEWAL] */
    uint64_t seed;       /**< for what is random in the policy [SELFPAGE_SEED; 1] */
    /** Called on the control thread for each recall, before the library answers it. It may call
     *  sp_discard, must not touch managed memory, and must return at once: time is running. */
    enum sp_recall_answer (*on_recall)(void *arg, const struct sp_recall *recall);
    void *on_recall_arg; /**< passed to on_recall */
    /** Called on the control thread when frames are short: as a rule when physmem has few left and
     *  before it recalls any from this task; and after a recall (and on_recall) before the library
     *  evicts pages for it. Pages that the program drops (sp_discard) need not be evicted, so the program chooses
     *  what goes; the library evicts the rest. For what may be called here, and how to leave work to
     *  the program's own threads, see sp_watch_availability. */
    void (*on_pressure)(void *arg, const struct sp_pressure *pressure);
    void *on_pressure_arg; /**< passed to on_pressure */
};

/** Attach this process to physmem and swap, negotiate the contracts, install the fault handlers.
 *  \param taskp    set on success; released by sp_detach
 *  \param options  NULL for all defaults; copied, and need not outlive the call (but policy_ops,
 *                  on_recall_arg and on_pressure_arg must outlive the attachment)
 *  \param error    may be NULL
 *  If the environment variable SELFPAGE_TRACE names a file, or a directory for one, the task writes
 *  there what its eviction policy sees and answers; `selfpage decisions` makes it again. It is
 *  complete once sp_detach has returned. If SELFPAGE_FAULTS names a file, or a directory for one, the
 *  task counts there which instructions fault, for `selfpage faults --from`; SELFPAGE_HINTS names a file
 *  of `selfpage faults --hints`, and the instructions in it have pages loaded ahead.
 *  The library has a thread of its own from now on, until sp_detach: if the last other thread ends by pthread_exit, the
 *  process goes on.
 *  \retval 0
 *  \retval -EBUSY      this process is attached already
 *  \retval -EINVAL     an option is missing or malformed, or a line of SELFPAGE_HINTS is; `error` names it
 *  \retval -ENAMETOOLONG a socket path is longer than a Unix socket can have (107 bytes)
 *  \retval -ENOENT     no such policy, or a socket does not exist
 *  \retval -ENOTSUP    the policy cannot run live, or the program does not go on properly after a
 *                      fault, as under Valgrind without --px-default=allregs-at-each-insn
 *  \retval -ECONNREFUSED nobody listens on a socket
 *  \retval -ENOMEM     physmem refused a contract (error says why), or memory ran out
 *  \retval -EPROTO     the server speaks another version of the protocol
 *  Other errno values come from the system call named in `error`. On failure nothing is left. */
SP_EXPORT int sp_attach(struct sp_task **taskp, const struct sp_attach_options *options,
                        struct sp_error *error);

/** Destroy all regions, return all frames, close all contracts, remove the handlers, and free the
 *  task; *taskp becomes NULL. Managed memory and its contents are gone. NULL or a pointer to NULL
 *  does nothing. No other thread may be using the task or managed memory.
 *  \retval 0 always */
SP_EXPORT int sp_detach(struct sp_task **taskp);

/** Give the calling thread an alternate signal stack for fault handling, if it has none, or one of less than
 *  64 KiB, which sp_thread_end puts back.
 *  \retval 0 \retval -ENOMEM */
SP_EXPORT int sp_thread_begin(struct sp_task *task);

/** Release what sp_thread_begin gave. Call before the thread ends, on the same thread. */
SP_EXPORT void sp_thread_end(struct sp_task *task);

/** Propose a contract. Answered at once.
 *  \param offer    filled on return 0, also when the answer is SP_REFUSED
 *  \retval 0       physmem answered: see offer->answer
 *  \retval -EINVAL terms that no physmem can take (unknown kind, breach or unit)
 *  \retval -EPIPE  physmem is gone or has revoked this task */
SP_EXPORT int sp_propose(struct sp_task *task, const struct sp_terms *terms, struct sp_offer *offer,
                         struct sp_error *error);

/** Accept a counter-offer: to a proposal, a renewal or a growth. Physmem answers anew, as things
 *  are now: it may have less to offer than it had.
 *  \retval 0       physmem answered: see offer->answer
 *  \retval -ENOENT no contract of this number, or it is closed
 *  \retval -EALREADY the contract is active, and nothing about it was countered
 *  \retval -ETIME  the contract has expired, and no renewal of it was countered
 *  \retval -EINPROGRESS the frames of the contract are being recalled: nothing can be agreed about
 *                  it any more
 *  \retval -EPIPE  physmem is gone or has revoked this task
 *  In this and the next functions the text of the error says which state forbade the step. */
SP_EXPORT int sp_accept(struct sp_task *task, uint32_t contract, struct sp_offer *offer,
                        struct sp_error *error);

/** Start a new term of `term_ns` from now. Active and expired contracts can be renewed. Physmem may
 *  counter with a shorter term, which sp_accept agrees to. Refused with SP_REASON_PART for a part:
 *  its term is that of the contract it was split off from.
 *  \retval 0 \retval -ENOENT \retval -EINPROGRESS \retval -EPIPE as sp_accept
 *  \retval -EBUSY the contract is countered: accept it first */
SP_EXPORT int sp_renew(struct sp_task *task, uint32_t contract, uint64_t term_ns,
                       struct sp_offer *offer, struct sp_error *error);

/** Have an active contract grow or shrink to `frames` frames, for the rest of its term.
 *  More frames are answered like a proposal: accepted; countered with fewer, but more than it has,
 *  which sp_accept agrees to; or refused. The contract stays as it is until more is agreed to. A
 *  part cannot grow (refused with SP_REASON_PART).
 *  Fewer are agreed to at once. The guarantee is less from now on, and frames that the task holds
 *  beyond all its contracts are recalled (t_clean if the contract is guaranteed, else t_drop); the
 *  library returns them. What is still owed shows in physmem's status of the task. Frames that a part gives up go
 *  to the contract it was split off from. 0 frames are refused: close the contract.
 *  \retval 0 \retval -ENOENT \retval -EINPROGRESS \retval -EPIPE as sp_accept
 *  \retval -EBUSY the contract is countered: accept it first
 *  \retval -ETIME the contract has expired: renew it first */
SP_EXPORT int sp_resize_contract(struct sp_task *task, uint32_t contract, uint32_t frames,
                                 struct sp_offer *offer, struct sp_error *error);

/** Split a part of `frames` frames off from an active contract, for another task, which claims it
 *  by its token: with sp_claim_contract, or by attaching with the contract "claim=TOKEN". The
 *  contract loses these frames, and physmem recalls the frames that this task then holds beyond its commitment, as
 *  when a contract shrinks. No task has to claim a part; physmem keeps its frames
 *  until a task does.
 *  \param part    filled on return 0
 *  \retval 0
 *  \retval -EINVAL no frames, all frames of the contract, or not a whole number of its blocks
 *  \retval -EMLINK the contract is a part of a part of ... already, eight deep
 *  \retval -EMFILE this task has 32 parts that have not come back
 *  \retval -ENOENT \retval -EINPROGRESS \retval -EPIPE as sp_accept
 *  \retval -EBUSY  the contract is countered: accept it first
 *  \retval -ETIME  the contract has expired: renew it first
 *  \retval -ENOMEM physmem has no memory for it */
SP_EXPORT int sp_split_contract(struct sp_task *task, uint32_t contract, uint32_t frames,
                                struct sp_part *part, struct sp_error *error);

/** Claim a part by its token. offer->contract is then a contract of this task: active, of the kind,
 *  grace and breach of the one it was split off from. It ends when that one ends: offer->terms.term_ns is the time
 *  until then, unless that one is renewed.
 *  \retval 0        see offer->answer: SP_REFUSED (SP_REASON_TOO_MANY) or SP_ACCEPTED
 *  \retval -ENOENT  no part has this token: it was never split off, or has come back
 *  \retval -EALREADY it has been claimed
 *  \retval -EINVAL  this task holds a contract above it: reabsorb the part instead
 *  \retval -ENOMEM  physmem has no memory for it \retval -EPIPE as sp_propose */
SP_EXPORT int sp_claim_contract(struct sp_task *task, uint64_t token, struct sp_offer *offer,
                                struct sp_error *error);

/** Take a part back. Its frames belong to this task's contract again at once. If it was claimed, the contract that
 *  was made of it ends, with all contracts below it, and its frames are recalled with the grace of that contract. A
 *  request of this task within its guarantee may have to wait for that.
 *  \param part    sp_part.part
 *  \param offer   the contract that it was split off from, as it is now
 *  \retval 0 \retval -ENOENT no such part, or it has come back already \retval -EPIPE as above */
SP_EXPORT int sp_reabsorb_contract(struct sp_task *task, uint32_t part, struct sp_offer *offer,
                                   struct sp_error *error);

/** End an active or expired contract, or decline a counter-offer. Frames beyond what the others
 *  allow are recalled. Parts of it end too; a part itself goes back to where it was split off.
 *  \retval 0 \retval -ENOENT \retval -EINPROGRESS \retval -EPIPE as sp_accept */
SP_EXPORT int sp_close_contract(struct sp_task *task, uint32_t contract, struct sp_error *error);

/** A contract as it is now. */
struct sp_contract_info {
    uint8_t state;         /**< enum sp_contract_state */
    struct sp_terms terms; /**< as agreed, or as offered; frames without the parts split off */
};

/** Look up a contract of this task. Contracts also change by themselves: terms end, parts come back; physmem tells
 *  the library.
 *  \retval 0 \retval -ENOENT no contract of this number, or it has ended */
SP_EXPORT int sp_get_contract(struct sp_task *task, uint32_t contract,
                              struct sp_contract_info *info);

/** Return frames to physmem though it has not asked, evicting as the policy says. The library does
 *  this in the background, and writes dirty pages first. Touching pages gets frames back, as far as
 *  the contracts go.
 *  \return the number of frames that will be returned: at most what the task holds */
SP_EXPORT uint32_t sp_return_frames(struct sp_task *task, uint32_t frames);

/** What happens to the contents of an evicted page. */
enum sp_kind {
    SP_PRECIOUS = 0,         /**< written to swap, and read back */
    SP_DISCARDABLE = 1,      /**< dropped: scratch data; the next touch finds zeros */
    SP_REMANUFACTURABLE = 2, /**< dropped, and made anew by the region's refill callback */
    SP_KINDS = 3,
};

/** Make the contents of a page.
 *  \param arg    of the region
 *  \param index  of the page within the region
 *  \param frame  SP_PAGE_SIZE bytes to fill completely; wired, and visible to nobody else yet
 *  \return 0, or an errno value (of either sign): the process then ends with status 2, and a message that
 *  names it. It must return: a callback that jumps out (longjmp, an exception) or ends its thread
 *  (pthread_exit) ends the process.
 *  Runs on the faulting thread inside a signal handler (only async-signal-safe calls, such as
 *  pread) unless the task uses SP_ATTACH_PAGER_THREAD. It must not touch managed memory. */
typedef int sp_refill(void *arg, size_t index, void *frame);

/** Do not clear frames before first use: contents are then undefined, but always this task's own
 *  earlier data or zeros, never data of another task. */
#define SP_REGION_UNDEFINED 1u

/** Regions that a task may have at a time. Many small objects lie better in one region: pages are paged one
 *  by one in any case. */
#define SP_REGIONS_MAX 250u

/** A region to create. */
struct sp_region_options {
    size_t pages; /**< at least 1 */
    enum sp_kind kind;
    unsigned flags;    /**< SP_REGION_* */
    sp_refill *refill; /**< required for SP_REMANUFACTURABLE, otherwise NULL */
    void *refill_arg;
};

/** Reserve addresses for memory that this task pages. No frame is used until it is touched. For
 *  SP_PRECIOUS, swap space is reserved now, so that no eviction can fail for want of it.
 *  \param basep  set to the first address, page-aligned
 *  \retval 0
 *  \retval -EINVAL  zero pages, an unknown kind or flag, or a refill missing or out of place
 *  \retval -ENOSPC  swap cannot hold the region, or max_pages or SP_REGIONS_MAX is reached; error has the
 *                   numbers
 *  \retval -ENOTCONN a precious region, and no swap attached
 *  \retval -ENOMEM  no address space */
SP_EXPORT int sp_region_create(struct sp_task *task, const struct sp_region_options *options,
                               void **basep, struct sp_error *error);

/** Drop a region's contents and addresses.
 *  \param base  as set by sp_region_create
 *  \retval 0 \retval -EINVAL not the base of a region \retval -EBUSY pages of it are pinned */
SP_EXPORT int sp_region_destroy(struct sp_task *task, void *base);

/** The pages spanned by `bytes` bytes at `start`: sets *firstp to the address of the first page and
 *  returns how many there are; 0 if bytes is 0. */
static inline size_t sp_span(const void *start, size_t bytes, void **firstp)
{
    uintptr_t first = (uintptr_t)start & ~(uintptr_t)(SP_PAGE_SIZE - 1);

    *firstp = (void *)first;
    return bytes == 0 ? 0 : ((uintptr_t)start + bytes - 1 - first) / SP_PAGE_SIZE + 1;
}

/** Make pages resident and keep them so, mapped for reading and writing, until unpinned: neither
 *  policy nor recall evicts them, and system calls may use them. (Physmem may still unmap a pinned
 *  page; the next touch restores it, but a system call in that moment fails with EFAULT and must be
 *  repeated.) Pins nest up to 255 deep. If a contract says breach=repossess or penalty, physmem is
 *  told the first 16 pinned pages, whose extents it spares; a pinned page that is repossessed all
 *  the same is lost, whatever its kind.
 *  \param first  page-aligned address in a region
 *  \param pages  all within that region
 *  \param lostp  may be NULL; set to the number of pages whose contents were dropped since they were
 *                last pinned (discardable regions); each loss is reported once
 *  \retval 0
 *  \retval -EINVAL    not page-aligned or not all within one region
 *  \retval -ENOMEM    more than half of the guaranteed frames would be pinned; nothing was pinned
 *  \retval -EOVERFLOW a page is pinned 255 times already; nothing was pinned */
SP_EXPORT int sp_pin(struct sp_task *task, void *first, size_t pages, size_t *lostp);

/** Undo one sp_pin of the same range. \retval 0 \retval -EINVAL a page of it is not pinned; nothing
 *  was unpinned */
SP_EXPORT int sp_unpin(struct sp_task *task, void *first, size_t pages);

/** Drop the contents of pages: their frames are free at once, nothing is written, the next touch
 *  finds zeros (or a refill). Pinned pages are skipped, and so are pages larger than a base page that
 *  are not all within the range.
 *  \return the number of resident pages dropped, or -EINVAL as sp_pin */
SP_EXPORT long sp_discard(struct sp_task *task, void *first, size_t pages);

/** Tell the policy and the pager what to expect of pages. SP_HINT_WILL_NEED brings up to 64 base pages
 *  in at once, as far as there are frames for them without evicting others: those in swap are read back
 *  in one round trip; those that have no contents yet, and are not made by a callback, are mapped ready
 *  to be written, and count as written. A program that announces runs of pages before it fills them has
 *  no page faults there.
 *  \retval 0 \retval -EINVAL as sp_pin, or an unknown hint */
SP_EXPORT int sp_advise(struct sp_task *task, void *first, size_t pages, enum sp_hint hint);

/** How much memory a task could have, in frames. */
struct sp_availability {
    /** The frames that it would hold if it asked now for all that its contracts allow, and no other task asked for
     *  any: never less than `promised`; beyond that, the frames that are free, or those that the arbitration policy
     *  would grant, including frames that others would have to return first. It is a figure to plan with, not a
     *  promise: others do ask. */
    uint32_t available;
    uint32_t held;     /**< by the task, now */
    uint32_t promised; /**< by its guaranteed and timed contracts */
    uint32_t pressure; /**< frames that physmem is short of, those included that it likes to have
                            in reserve; 0: none */
};

/** Ask physmem how much this task could have. One round trip.
 *  \retval 0
 *  \retval -EPIPE physmem is gone or has revoked this task */
SP_EXPORT int sp_get_availability(struct sp_task *task, struct sp_availability *availability,
                                  struct sp_error *error);

/** Called when the availability has changed. \param arg  as given to sp_watch_availability
 *  Runs on the library's control thread, which has recalls and unmaps to answer meanwhile: it must
 *  return at once. It may call sp_discard and nothing else of this library, and must neither touch
 *  managed memory nor wait for a thread that does. Leave longer work to the program's own
 *  threads: store the figures in an atomic variable that they look at now and then, or, for
 *  threads that sleep in poll, write to an eventfd besides. */
typedef void sp_availability_changed(void *arg, const struct sp_availability *availability);

/** Have a function called when the availability has changed by about `hysteresis` frames (up to a
 *  quarter more), when frames begin to be short (`pressure` is not 0), and when they no longer are.
 *  It is called with the present figures first, from this function, on the calling thread. Physmem
 *  has at most one such message under way; changes meanwhile are told together with the next.
 *  \param hysteresis  frames; physmem takes no less than the 256th part of its own. UINT32_MAX: only
 *                     pressure is told
 *  \param changed     instead of the one before; NULL: no function (one that is running on the
 *                     control thread may still run when this returns)
 *  \param arg         passed to it
 *  \retval 0
 *  \retval -EPIPE as sp_get_availability */
SP_EXPORT int sp_watch_availability(struct sp_task *task, uint32_t hysteresis,
                                    sp_availability_changed *changed, void *arg,
                                    struct sp_error *error);

/** Called before the process ends because the task cannot go on. \param arg  as given to sp_on_end
 *  Runs once, on any thread, perhaps in a signal handler on a short stack: it may call only what is async-signal-safe, and
 *  no function of this library, must not touch managed memory, and must return at once. */
typedef void sp_task_ends(void *arg);

/** Have a function called before the library ends the process: since physmem is gone or has revoked the task, or swap is
 *  gone, or something else makes it impossible to go on. For what a process must not leave behind, as a socket by which others
 *  find it. It is not called by sp_detach, nor when the process ends otherwise.
 *  \param ends  instead of the one before; NULL: no function
 *  \param arg   passed to it */
SP_EXPORT void sp_on_end(struct sp_task *task, sp_task_ends *ends, void *arg);

/** Copy the counters. */
SP_EXPORT void sp_get_stats(struct sp_task *task, struct sp_stats *stats);

/** Eviction policies that come with the library: the i-th, or NULL past the last. */
SP_EXPORT const struct sp_policy *sp_builtin_policy(size_t i);

/** Version of the library: "MAJOR.MINOR.PATCH". Static. */
SP_EXPORT const char *sp_version(void);

#ifdef __cplusplus
}
#endif
#endif

#include "task/effects/own_ring.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/least.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

/* How long a thread stays awake for a read: twice the read of a page from a fast disk, which another thread's read, or a
 * write, may be before. A long read is waited for asleep. */
#define AWAKE_NS    UINT64_C(160000)
#define AWAKE_PAGES 8u

/* Where that was too short, the next reads are waited for asleep, twice as many each time. Where a thread has lost
 * the processor meanwhile, others want it: many reads then go without rings, since a thread that sleeps is preferred
 * when it wakes, and one that stays awake has to stand in line. A disk that is slow now and then is no such case. */
#define SLOW_MOST 6u
#define LOST_NS   UINT64_C(1000000)
#define BUSY_MANY 1024u
#define BUSY_MOST 4u
#define CALM_MANY 4096u

enum standing { UNKNOWN = 0, HAS_ONE, HAS_NONE };

static struct own_ring table[OWN_RINGS];
static pid_t process; /* whose rings these are */
static bool permitted;

/* Of the calling thread. Initial-exec: reading it must not allocate. */
static __thread struct {
    enum standing standing;
    int number;
    pid_t process;
} mine __attribute__((tls_model("initial-exec")));

void own_ring_permit(void)
{
    const char *wanted = getenv("SELFPAGE_RING");

    /* The parent's rings are not mapped here. */
    if (process != getpid())
        memset(table, 0, sizeof(table));
    process = getpid();
    permitted = !RUNNING_ON_VALGRIND && (wanted == NULL || strcmp(wanted, "off") != 0);
    check(process > 0);
}

static bool is_gone(uint32_t thread)
{
    check(thread != 0);
    return syscall(SYS_tgkill, process, thread, 0) != 0 && errno == ESRCH;
}

/* Take an entry that is nobody's, or of a thread that has ended. */
static bool claim(struct own_ring *ring, uint32_t thread)
{
    uint32_t owner = __atomic_load_n(&ring->thread, __ATOMIC_ACQUIRE);

    if (owner != 0 && owner != thread && !is_gone(owner))
        return false;
    if (!__atomic_compare_exchange_n(&ring->thread, &owner, thread, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED))
        return false;
    check(ring->ring.under_way == 0);
    if (ring_is_open(&ring->ring))
        ring_forget(&ring->ring);
    return true;
}

static int find(void)
{
    uint32_t thread = (uint32_t)syscall(SYS_gettid);

    check(process == getpid());
    for (int i = 0; i < (int)OWN_RINGS; i++) {
        if (!claim(&table[i], thread))
            continue;
        if (ring_open(&table[i].ring) == 0)
            return i;
        __atomic_store_n(&table[i].thread, 0, __ATOMIC_RELEASE);
        return -1;
    }
    return -1;
}

/* What is known of the disk and of the machine. Threads that come later are not to find it out anew; several may change
 * it at once, and a change that is lost does no harm. */
static struct {
    uint32_t asleep; /* reads still to wait for asleep */
    uint32_t slow;   /* how often in a row staying awake was too short */
    uint32_t busy;   /* how often, of late, a thread lost the processor meanwhile */
    uint32_t awake;  /* reads in a row that ended while a thread was awake */
} known;

static uint32_t get(const uint32_t *number)
{
    check(number >= &known.asleep && number <= &known.awake);
    return __atomic_load_n(number, __ATOMIC_RELAXED);
}

static void set(uint32_t *number, uint32_t value)
{
    check(number >= &known.asleep && number <= &known.awake);
    __atomic_store_n(number, value, __ATOMIC_RELAXED);
}

/* Do others want the processor? A read without a ring takes least of it. */
static bool is_busy(void)
{
    uint32_t asleep = get(&known.asleep);

    check(asleep <= BUSY_MANY << BUSY_MOST);
    if (asleep <= UINT32_C(2) << SLOW_MOST)
        return false;
    set(&known.asleep, asleep - 1);
    return true;
}

int own_ring_mine(void)
{
    if (!permitted || is_busy())
        return -1;
    if (mine.standing == UNKNOWN || mine.process != process) {
        mine.number = find();
        mine.standing = mine.number >= 0 ? HAS_ONE : HAS_NONE;
        mine.process = process;
    }
    check(mine.standing == HAS_NONE || table[mine.number].thread != 0);
    return mine.number;
}

struct own_ring *own_ring_at(int number)
{
    ensure(number >= 0 && number < (int)OWN_RINGS && mine.number == number);
    return &table[number];
}

/* A read ended, in time or not, and in that time its thread did not look for so long. */
static void learn(bool in_time, uint64_t gap_ns)
{
    uint32_t slow = get(&known.slow), busy = get(&known.busy), awake = get(&known.awake);

    if (gap_ns >= LOST_NS) {
        set(&known.awake, 0);
        set(&known.asleep, BUSY_MANY << busy);
        set(&known.busy, least_of(busy + 1, BUSY_MOST));
    } else if (in_time) {
        set(&known.slow, 0);
        set(&known.awake, awake + 1);
        if (awake >= CALM_MANY)
            set(&known.busy, 0);
    } else {
        set(&known.awake, 0);
        set(&known.slow, least_of(slow + 1, SLOW_MOST));
        set(&known.asleep, UINT32_C(2) << slow);
    }
    check(get(&known.slow) <= SLOW_MOST && get(&known.busy) <= BUSY_MOST);
}

/* Whether to sleep at once. */
static bool sleeps(uint32_t pages)
{
    uint32_t asleep = get(&known.asleep);

    check(pages > 0);
    if (asleep > 0)
        set(&known.asleep, asleep - 1);
    return asleep > 0 || pages > AWAKE_PAGES;
}

int own_ring_wait(struct own_ring *ring, uint32_t pages, uint32_t *tagp)
{
    uint64_t gap;
    bool in_time;
    int result;

    check(ring == &table[mine.number]);
    if (sleeps(pages)) {
        (void)ring_wait(&ring->ring, 0, tagp, &result, &gap);
        return result;
    }
    in_time = ring_wait(&ring->ring, AWAKE_NS, tagp, &result, &gap);
    learn(in_time, gap);
    return result;
}

void own_ring_leave(void)
{
    if (mine.standing == HAS_ONE && mine.process == process) {
        check(table[mine.number].thread == (uint32_t)syscall(SYS_gettid));
        ring_close(&table[mine.number].ring);
        __atomic_store_n(&table[mine.number].thread, 0, __ATOMIC_RELEASE);
    }
    mine.standing = UNKNOWN;
}

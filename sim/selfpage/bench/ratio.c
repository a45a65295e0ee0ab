/* Negotiation by one task alone, against bare sockets.
 *
 * A negotiation is a contract proposed and closed: PROPOSE -> OFFER, CLOSE -> DONE. The baseline is a
 * process that reads requests and writes replies of these sizes, and does nothing else: all that it
 * has read at once it answers with one write, as physmem does. Both sides are driven by the same
 * code, message by message or 32 at a time; ours also encodes and decodes. */
#include "selfpage/bench/ratio.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/error.h"
#include "selfpage/bench/peer.h"
#include "launch/spawn.h"
#include "launch/child.h"
#include "os/clock.h"

#define ROUNDS   15u
#define PAIRS    16u /* negotiations in one batch: 32 messages */
#define ROUND_NS (20 * CLOCK_NS_PER_MS)

/* Sizes of the four messages. */
struct sizes {
    size_t propose, offer, close, done;
};

/* One side: a connection that is driven. */
struct ratio_side {
    int fd;
    bool bare; /* no message is looked at */
    uint32_t seq;
    uint32_t contract; /* physmem numbers a task's contracts from 1 */
    struct sizes sizes;
    uint8_t out[PAIRS * 256];
    uint8_t in[PAIRS * 512];
    struct wire_message message;
};

/* ---- Messages ---- */

static size_t encode_propose(struct ratio_side *side, uint8_t *bytes, size_t size)
{
    struct wire_message *message = &side->message;

    message->type = WIRE_PROPOSE;
    message->seq = ++side->seq;
    message->error = 0;
    memset(&message->propose, 0, sizeof(message->propose)); /* the union has kilobytes */
    message->propose.kind = SP_EXTRA;
    message->propose.min = 1;
    message->propose.frames = 1;
    message->propose.term_ns = SP_FOREVER;
    return wire_encode(message, bytes, size);
}

static size_t encode_close(struct ratio_side *side, uint8_t *bytes, size_t size)
{
    side->message.type = WIRE_CLOSE;
    side->message.seq = ++side->seq;
    side->message.error = 0;
    side->message.close.contract = ++side->contract;
    return wire_encode(&side->message, bytes, size);
}

static struct sizes sizes_find(struct ratio_side *side)
{
    static struct wire_message offer = {.type = WIRE_OFFER}, done = {.type = WIRE_DONE};
    uint8_t bytes[512];

    return (struct sizes){
        .propose = encode_propose(side, bytes, sizeof(bytes)),
        .offer = wire_encode(&offer, bytes, sizeof(bytes)),
        .close = encode_close(side, bytes, sizeof(bytes)),
        .done = wire_encode(&done, bytes, sizeof(bytes)),
    };
}

/* ---- Driving ---- */

/* Have a socket wait for what it must send and receive, but not for ever. Returns 0 or -errno. */
static int wait_patiently(int fd)
{
    const struct timeval patience = {.tv_sec = BENCH_PEER_PATIENCE_MS / 1000};
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0)
        return -errno;
    return 0;
}

/* Send so much of `out`, receive so much into `in`. */
static bool exchange(struct ratio_side *side, size_t out, size_t in)
{
    size_t got = 0;
    ssize_t count;

    if (send(side->fd, side->out, out, MSG_NOSIGNAL) != (ssize_t)out)
        return false;
    while (got < in) {
        count = recv(side->fd, side->in + got, in - got, 0);
        if (count <= 0)
            return false;
        got += (size_t)count;
    }
    return true;
}

/* The replies are what they should be. */
static bool replies_are_good(struct ratio_side *side, size_t in)
{
    size_t used = 0;
    size_t length;

    while (!side->bare && used < in) {
        if (wire_decode(side->in + used, in - used, &side->message, &length) != WIRE_OK ||
            side->message.error != 0 ||
            (side->message.type == WIRE_OFFER && side->message.offer.answer != SP_ACCEPTED))
            return false;
        used += length;
    }
    return true;
}

/* A proposal, and then its end. */
static bool negotiate(struct ratio_side *side, struct histogram *quiet)
{
    const struct sizes *sizes = &side->sizes;
    uint64_t start = clock_now_ns();

    if (!side->bare)
        encode_propose(side, side->out, sizeof(side->out));
    if (!exchange(side, sizes->propose, sizes->offer) || !replies_are_good(side, sizes->offer))
        return false;
    if (quiet != NULL)
        histogram_record(quiet, clock_now_ns() - start);
    if (!side->bare)
        encode_close(side, side->out, sizeof(side->out));
    return exchange(side, sizes->close, sizes->done) && replies_are_good(side, sizes->done);
}

static bool negotiate_batch(struct ratio_side *side)
{
    const struct sizes *sizes = &side->sizes;
    size_t in = PAIRS * (sizes->offer + sizes->done);
    size_t out = 0;

    for (unsigned i = 0; i < PAIRS && !side->bare; i++) {
        out += encode_propose(side, side->out + out, sizeof(side->out) - out);
        out += encode_close(side, side->out + out, sizeof(side->out) - out);
    }
    return exchange(side, PAIRS * (sizes->propose + sizes->close), in) &&
           replies_are_good(side, in);
}

/* Messages a second, during one round; 0: failed. */
static double round_of(struct ratio_side *side, bool batches, uint64_t round_ns,
                       struct histogram *quiet)
{
    uint64_t start = clock_now_ns();
    uint64_t now = start;
    uint64_t count = 0;

    while (now - start < round_ns) {
        if (!(batches ? negotiate_batch(side) : negotiate(side, quiet)))
            return 0;
        count += batches ? 2 * PAIRS : 2;
        now = clock_now_ns();
    }
    return (double)count * CLOCK_NS_PER_S / (double)(now - start);
}

unsigned bench_ratio_middle(const double *values, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned before = 0;

        for (unsigned j = 0; j < count; j++)
            before += values[j] < values[i] || (values[j] == values[i] && j < i);
        if (before == count / 2)
            return i;
    }
    return 0;
}

static bool ratio_of(struct ratio_side *subject, struct ratio_side *baseline, bool batches,
                     uint64_t round_ns, struct histogram *quiet, struct bench_ratio *ratio)
{
    double ours[ROUNDS], bare[ROUNDS], ratios[ROUNDS];
    unsigned middle;

    for (unsigned i = 0; i < ROUNDS; i++) {
        ours[i] = round_of(subject, batches, round_ns, quiet);
        bare[i] = round_of(baseline, batches, round_ns, NULL);
        if (ours[i] == 0 || bare[i] == 0)
            return false;
        ratios[i] = ours[i] / bare[i];
    }
    middle = bench_ratio_middle(ratios, ROUNDS);
    *ratio = (struct bench_ratio){
        .name = batches ? "pipelined, 32 outstanding" : "sequential",
        .subject = ours[middle],
        .baseline = bare[middle],
        .ratio = ratios[middle],
        .limit = batches ? 0.4 : 0.7,
    };
    return true;
}

/* ---- The two sides ---- */

struct echo {
    int fds[2];
    int core;
    struct sizes sizes;
};

/* The baseline's process: PROPOSE and CLOSE come in turns, and are answered in turns. */
static int echo_run(void *arg)
{
    const struct echo *echo = arg;
    static uint8_t bytes[65536];
    size_t wanted = echo->sizes.propose;
    size_t have = 0, reply;
    ssize_t got;

    if (machine_pin(echo->core) != 0)
        return 1;
    while ((got = recv(echo->fds[1], bytes, sizeof(bytes), 0)) > 0) {
        have += (size_t)got;
        for (reply = 0; have >= wanted;) {
            bool proposal = wanted == echo->sizes.propose;

            have -= wanted;
            reply += proposal ? echo->sizes.offer : echo->sizes.done;
            wanted = proposal ? echo->sizes.close : echo->sizes.propose;
        }
        if (reply > 0 && send(echo->fds[1], bytes, reply, MSG_NOSIGNAL) != (ssize_t)reply)
            return 1;
    }
    return 0;
}

static int echo_start(struct echo *echo, const struct bench_options *options, pid_t group,
                      pid_t *pidp, struct sp_error *error)
{
    struct spawn spawn = {SPAWN_DEFAULTS, .group = group};
    int result;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, echo->fds) != 0)
        return error_set(error, errno, "socketpair: %s", strerror(errno));
    echo->core = options->core[1];
    spawn.closed = echo->fds[0];
    fflush(NULL);
    result = spawn_function(&spawn, echo_run, echo, pidp, error);
    close(echo->fds[1]);
    if (result != 0)
        close(echo->fds[0]);
    return result;
}

static int measure_both(struct ratio_side *subject, struct ratio_side *bare, uint64_t round_ns,
                        struct histogram *quiet, struct bench_result *result,
                        struct sp_error *error)
{
    for (unsigned batches = 0; batches < BENCH_RATIOS; batches++) {
        if (!ratio_of(subject, bare, batches, round_ns, quiet, &result->ratio[batches]))
            return error_set(error, EIO, "negotiation of one task alone failed");
        result->ratios++;
    }
    return 0;
}

static int measure(const struct bench_options *options, pid_t group, struct ratio_side *subject,
                   struct histogram *quiet, struct bench_result *result, struct sp_error *error)
{
    uint64_t round_ns =
        options->duration_ns / ROUNDS < ROUND_NS ? options->duration_ns / ROUNDS : ROUND_NS;
    struct echo echo = {.sizes = subject->sizes};
    struct ratio_side *bare;
    int status, code;
    pid_t pid;

    if (result == NULL) {
        if (round_of(subject, false, ROUNDS * round_ns, quiet) == 0)
            return error_set(error, EIO, "negotiation of one task alone failed");
        return 0;
    }
    bare = calloc(1, sizeof(*bare));
    if (bare == NULL)
        return error_set(error, ENOMEM, "out of memory");
    code = echo_start(&echo, options, group, &pid, error);
    if (code == 0) {
        bare->bare = true;
        bare->fd = echo.fds[0];
        bare->sizes = subject->sizes;
        code = wait_patiently(bare->fd);
        if (code == 0)
            code = measure_both(subject, bare, round_ns, quiet, result, error);
        close(echo.fds[0]);
        child_end(pid, SIGKILL, 0, &status);
    }
    free(bare);
    return code;
}

int bench_ratio_measure(const struct bench_options *options, const char *path, pid_t group,
                        struct histogram *quiet, struct bench_result *result,
                        struct sp_error *error)
{
    struct ratio_side *subject = calloc(1, sizeof(*subject));
    static struct bench_peer peer;
    int code;

    if (subject == NULL)
        return error_set(error, ENOMEM, "out of memory");
    bench_peer_init(&peer);
    code = bench_peer_connect(&peer, path, &subject->message, error);
    subject->fd = peer.request.link.fd;
    if (code == 0 && wait_patiently(subject->fd) != 0)
        code = error_set(error, errno, "cannot make a socket wait: %s", strerror(errno));
    if (code == 0) {
        subject->sizes = sizes_find(subject);
        subject->contract = 0; /* nothing has been proposed yet */
        code = measure(options, group, subject, quiet, result, error);
    }
    bench_peer_close(&peer);
    free(subject);
    return code;
}

/* selfpage-pager: a task that pages for another one, its client.
 *
 * In L4 a page fault is a message from the thread to its pager, which answers with a mapping. Here the
 * client has a region whose function asks the pager, and lends the pager the region's container. The
 * pager makes the pages in a container of its own, and copies them logically to where the client faults:
 * no byte moves, both see one frame, and each pays for its own. The pager also takes pages back at any
 * time, because it has newer ones: the client gives them up, and faults again.
 *
 *      client                                        pager
 *      touches page 7, is in the signal handler
 *        FAULT 7, 1 page                  ------>      makes page 7 in its container
 *        goes on with the instruction     <------    MAPPED, the page is in the client's slot
 *        another thread: gives slot 7 up  <------    TAKE 7 to 9
 *                                         ------>    TAKEN
 *
 * The client is a child of the pager. Its contract is a part of the pager's. Every word of a page carries
 * its page number and version, so the client notices an older page than it may see. */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <selfpage/container.h>
#include <selfpage/selfpage.h>

#include "common.h"

#define WORDS     (SP_PAGE_SIZE / sizeof(uint64_t))
#define PAGES_MAX 65536u
#define LOCK_NS   UINT64_C(1000000000)

enum kind { SHARED, FAULT, MAPPED, TAKE, TAKEN };

/* What the two say to each other, over a socket that keeps messages apart. */
struct message {
    enum kind kind;
    sp_container container; /* SHARED: the client's, and the token that lets the pager copy to it */
    uint64_t token;
    uint32_t slot;    /* FAULT: the first to fill */
    uint32_t first;   /* FAULT, TAKE: page */
    uint32_t count;   /* of pages */
    uint32_t version; /* TAKE: the client may see none older than this */
    int error;        /* MAPPED: an errno value, or 0 */
};

struct settings {
    uint32_t pages, touches, every;
    struct generator generator;
};

static void say(int fd, const struct message *message)
{
    ssize_t sent;

    do
        sent = send(fd, message, sizeof(*message), MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
}

/* False when the other one is gone. Async-signal-safe, as is the above. */
static bool hear(int fd, struct message *message)
{
    ssize_t received;

    do
        received = recv(fd, message, sizeof(*message), 0);
    while (received < 0 && errno == EINTR);
    return received == (ssize_t)sizeof(*message);
}

/* ---- The client ---- */

struct client {
    struct sp_task *task;
    sp_container container;
    int faults; /* sockets */
    int orders;
    _Atomic uint32_t least[PAGES_MAX]; /* version of each page below which it must not be seen */
};

static struct client client;

/* Ask the pager. Runs in the handler of the fault. */
static int supply(void *arg, sp_container container, uint32_t slot, uint32_t page, uint32_t count)
{
    struct message message = {.kind = FAULT, .slot = slot, .first = page, .count = count};

    (void)arg, (void)container;
    say(client.faults, &message);
    return hear(client.faults, &message) ? message.error : EPIPE;
}

/* Give pages up as the pager orders it. */
static void *obey(void *arg)
{
    struct message order;

    (void)arg;
    while (hear(client.orders, &order)) {
        /* Pages that are mapped at this moment cannot be given up at once. */
        while (sp_container_deallocate(client.task, client.container, order.first, order.count,
                                       NULL) == -EBUSY)
            sched_yield();
        for (uint32_t i = 0; i < order.count; i++)
            atomic_store(&client.least[order.first + i], order.version);
        order.kind = TAKEN;
        say(client.orders, &order);
    }
    return NULL;
}

/* Read all of a page. False if a word is wrong, or older than one before it or than an order says. */
static bool page_is_right(const volatile uint64_t *words, uint32_t page)
{
    uint32_t least = atomic_load(&client.least[page]);

    for (uint32_t i = 0; i < WORDS; i++) {
        uint64_t word = words[i] ^ mix64(i);

        if (word >> 32 != page || (uint32_t)word < least)
            return false;
        least = (uint32_t)word;
    }
    return true;
}

static void client_prepare(const struct settings *settings, volatile uint64_t **wordsp)
{
    struct sp_container_region region = {.pages = settings->pages, .supply = supply};
    struct message message = {.kind = SHARED};
    struct sp_share share;
    struct sp_error error;
    void *base;

    if (sp_container_create(client.task, settings->pages, &client.container, &error) != 0 ||
        sp_container_share(client.task, client.container,
                           &(struct sp_share_options){.rights = SP_SHARE_WRITE, .lock_ns = LOCK_NS},
                           &share, &error) != 0)
        errx(EXIT_CANNOT, "%s", error.text);
    message.container = client.container;
    message.token = share.token;
    say(client.faults, &message);
    region.container = client.container;
    if (sp_container_region_create(client.task, &region, &base, &error) != 0)
        errx(EXIT_CANNOT, "%s", error.text);
    *wordsp = base;
}

/* The child. The pager's first message has the token of the part of its contract. */
_Noreturn static void client_run(const struct settings *settings)
{
    static char contract[64];
    static struct sp_attach_options options = {.contract = contract, .name = "client"};
    struct generator generator = settings->generator;
    volatile uint64_t *words;
    struct message message;
    pthread_t thread;

    if (!hear(client.faults, &message))
        exit(EXIT_CANNOT); /* the pager has said why */
    snprintf(contract, sizeof(contract), "claim=%llu", (unsigned long long)message.token);
    unsetenv("SELFPAGE_STATS_FD"); /* the pager counts there */
    client.task = task_attach(&options);
    client_prepare(settings, &words);
    errno = pthread_create(&thread, NULL, obey, NULL);
    if (errno != 0)
        err(EXIT_CANNOT, "cannot start a thread");
    for (uint32_t i = 0; i < settings->touches; i++) {
        uint32_t page = generator_below(&generator, settings->pages);

        if (!page_is_right(words + (size_t)page * WORDS, page))
            errx(EXIT_NO, "page %u is wrong, or older than its pager allows", page);
    }
    shutdown(client.orders, SHUT_RDWR);
    pthread_join(thread, NULL);
    exit(0);
}

/* ---- The pager ---- */

struct pager {
    const struct settings *settings;
    struct generator generator;
    struct sp_task *task;
    sp_container own;    /* one group of pages, which are made anew for each fault */
    sp_container theirs; /* the client's */
    uint32_t *version;   /* by page */
    bool taking;         /* an order is not answered yet */
    uint64_t faults, mapped, taken;
    int fault_socket, order_socket;
};

/* Make pages, through a mapping that is there only meanwhile: a page that is mapped is not copied. */
static int make(struct pager *pager, uint32_t first, uint32_t count, struct sp_error *error)
{
    void *address;
    int code = sp_container_map(pager->task, pager->own, 0, count, SP_MAP_WRITE, &address, error);

    if (code != 0)
        return code;
    for (uint32_t page = first; page < first + count; page++) {
        uint64_t *words = (uint64_t *)address + (size_t)(page - first) * WORDS;

        for (uint32_t i = 0; i < WORDS; i++)
            words[i] = ((uint64_t)page << 32 | pager->version[page]) ^ mix64(i);
    }
    return sp_container_unmap(pager->task, address, error);
}

static void serve_fault(struct pager *pager, struct message *message)
{
    struct sp_error error;
    int code;

    if (message->count == 0 || message->count > SP_SUPPLY_PAGES ||
        message->first >= pager->settings->pages ||
        message->count > pager->settings->pages - message->first)
        errx(EXIT_NO, "the client asked for pages that it does not have");
    code = make(pager, message->first, message->count, &error);
    if (code == 0)
        code = sp_container_copy(pager->task, pager->own, 0, pager->theirs, message->slot,
                                 message->count, NULL, &error);
    if (code != 0)
        warnx("page %u: %s", message->first, error.text);
    pager->faults++;
    pager->mapped += message->count;
    message->kind = MAPPED;
    message->error = -code;
    say(pager->fault_socket, message);
}

/* Order the client to give up some pages: there are newer ones. The pager does not wait for it, since
 * the client may wait for the pager first. */
static void take_some(struct pager *pager)
{
    uint32_t pages = pager->settings->pages;
    struct message order = {.kind = TAKE, .first = generator_below(&pager->generator, pages)};

    order.count = 1 + generator_below(&pager->generator, SP_SUPPLY_PAGES);
    if (order.count > pages - order.first)
        order.count = pages - order.first;
    for (uint32_t page = order.first; page < order.first + order.count; page++)
        if (order.version <= pager->version[page])
            order.version = pager->version[page] + 1;
    for (uint32_t page = order.first; page < order.first + order.count; page++)
        pager->version[page] = order.version;
    pager->taking = true;
    pager->taken += order.count;
    say(pager->order_socket, &order);
}

/* Until the client has closed its sockets. */
static void pager_serve(struct pager *pager)
{
    struct pollfd entries[] = {{.fd = pager->fault_socket, .events = POLLIN},
                               {.fd = pager->order_socket, .events = POLLIN}};
    struct message message;

    for (;;) {
        if (poll(entries, 2, -1) < 0 && errno != EINTR)
            err(EXIT_CANNOT, "poll");
        if (entries[1].revents != 0) {
            if (hear(pager->order_socket, &message))
                pager->taking = false;
            else
                entries[1].fd = -1;
        }
        if (entries[0].revents == 0)
            continue;
        if (!hear(pager->fault_socket, &message))
            return;
        serve_fault(pager, &message);
        if (!pager->taking && entries[1].fd >= 0 && pager->faults % pager->settings->every == 0)
            take_some(pager);
    }
}

/* Attach, give half of the contract to the client, and take the weak reference to its container. */
static void pager_prepare(struct pager *pager)
{
    static const struct sp_attach_options options = {.name = NULL};
    struct sp_contract_info info;
    struct message message = {.kind = SHARED};
    struct sp_weak weak;
    struct sp_part part;
    struct sp_error error;

    pager->task = task_attach(&options);
    pager->version = calloc(pager->settings->pages, sizeof(*pager->version));
    if (pager->version == NULL)
        err(EXIT_CANNOT, "no memory");
    if (sp_get_contract(pager->task, 1, &info) != 0 || info.terms.frames < 2 * SP_SUPPLY_PAGES)
        errx(EXIT_CANNOT, "the first contract must have at least %u frames", 2 * SP_SUPPLY_PAGES);
    if (sp_container_create_with(pager->task, SP_SUPPLY_PAGES, 0, &pager->own, &error) != 0 ||
        sp_split_contract(pager->task, 1, info.terms.frames / 2, &part, &error) != 0)
        errx(EXIT_CANNOT, "%s", error.text);
    message.token = part.token;
    say(pager->fault_socket, &message);
    if (!hear(pager->fault_socket, &message))
        exit(EXIT_CANNOT); /* the client has said why */
    if (sp_container_adopt(pager->task, message.container, message.token, &weak, &error) != 0)
        errx(EXIT_CANNOT, "%s", error.text);
    pager->theirs = weak.container;
}

/* ---- The program ---- */

static void parse(struct settings *settings, int argc, char **argv)
{
    static const struct option options[] = {
        {"pages", required_argument, NULL, 'p'}, {"touches", required_argument, NULL, 't'},
        {"every", required_argument, NULL, 'e'}, {"seed", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1)
        switch (option) {
        case 'p':
            settings->pages = (uint32_t)option_count("--pages", optarg, 1, PAGES_MAX);
            break;
        case 't':
            settings->touches = (uint32_t)option_count("--touches", optarg, 1, UINT32_MAX);
            break;
        case 'e':
            settings->every = (uint32_t)option_count("--every", optarg, 1, UINT32_MAX);
            break;
        case 's':
            settings->generator.state = option_count("--seed", optarg, 0, UINT64_MAX);
            break;
        case 'h':
            puts(
                "Usage: selfpage-pager [OPTION]...\n"
                "Page for a client, a child process: answer its faults with logical copies, and take\n"
                "pages back because there are newer ones. Verify every page that the client reads.\n"
                "\n"
                "  --pages N    of the client's region, at most 65,536 (200)\n"
                "  --touches N  pages that the client reads (2000)\n"
                "  --every N    faults after which some pages are taken back (8)\n"
                "  --seed N     for everything random (1)\n"
                "  -h, --help\n"
                "\n"
                "Half of the first contract, which must have at least 32 frames, goes to the client.\n"
                "Contract and servers come from SELFPAGE_* in the environment.\n"
                "Exit status: 0, 1 if a page was wrong, 2 if it could not be done.");
            exit(option_helped());
        default:
            exit(option_unknown());
        }
    option_arguments(argc, argv, 0, "arguments");
}

int main(int argc, char **argv)
{
    static struct settings settings = {.pages = 200, .touches = 2000, .every = 8, .generator = {1}};
    static struct pager pager;
    int faults[2], orders[2], status;
    pid_t child;

    parse(&settings, argc, argv);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, faults) != 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET, 0, orders) != 0)
        err(EXIT_CANNOT, "socketpair");
    child = fork();
    if (child < 0)
        err(EXIT_CANNOT, "fork");
    close(faults[child == 0 ? 0 : 1]);
    close(orders[child == 0 ? 0 : 1]);
    if (child == 0) {
        client.faults = faults[1];
        client.orders = orders[1];
        client_run(&settings);
    }
    pager = (struct pager){.settings = &settings,
                           .generator = {settings.generator.state + 1},
                           .fault_socket = faults[0],
                           .order_socket = orders[0]};
    pager_prepare(&pager);
    pager_serve(&pager);
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
        errx(EXIT_NO, "the client was killed");
    printf("%llu faults of the client, %llu pages mapped, %llu taken back\n",
           (unsigned long long)pager.faults, (unsigned long long)pager.mapped,
           (unsigned long long)pager.taken);
    return WEXITSTATUS(status);
}

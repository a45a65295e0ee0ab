/* `selfpage bench hostile`: each attack against servers of its own, with a bystander beside it.
 *
 * A wait that an attack causes comes back whenever the attack is played; one that the machine causes (an interrupt, a
 * thread of the kernel that keeps a processor) does not. So an attack during which the bystander waited too long is
 * played again, and has broken the bound only if that happened in each of several rounds: its wait is the shortest of
 * the longest waits of its rounds. All other bounds hold in each round. What the machine does by itself is measured
 * in the same way, without an attacker. */
#include "selfpage/bench/hostile/hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/exits.h"
#include "client/observer/observer.h"
#include "launch/spawn.h"
#include "launch/child.h"
#include "os/clock.h"
#include "os/limits.h"
#include "os/options.h"
#include "selfpage/bench/hostile/attack.h"
#include "selfpage/bench/hostile/bystander.h"
#include "selfpage/bench/hostile/fuse.h"
#include "selfpage/bench/hostile/place.h"
#include "selfpage/command/commands.h"

/* HOW DO I ADD AN ATTACK? One line here, and a function in the file of its kind. */
static const struct hostile_attack attacks[] = {
    {"linger", "leaves sockets whose close blocks for 60 s, before any HELLO", false, false,
     descriptors_linger},
    {"linger-swap", "the same as extents of swap, before and after HELLO", true, false,
     descriptors_linger_swap},
    {"descriptors", "sends 253 such descriptors at once, again and again", true, false,
     descriptors_many},
    {"allocate", "floods with ALLOCATE of 65,536 slots, without any contract", false, false,
     work_allocate},
    {"squash", "floods with ALLOCATE that drops all of its own frames", false, false, work_squash},
    {"ranges", "floods with UNMAP_OWN of 256 ranges that overlap", false, false, work_ranges},
    {"big", "ends with much memory, all of it touched, again and again", false, false, work_big},
    {"store", "keeps 100 STOREs of 64 pages outstanding", true, false, work_store},
    {"connections", "connects as often as it can, and says nothing", false, false,
     shares_connections},
    {"extents", "takes as many extents as it can, a frame in each", false, false, shares_extents},
    {"output", "asks from many connections, and never reads the answers", false, false,
     shares_output},
    {"clients", "becomes one client of swap after the other", true, false, shares_clients},
    {"chance", "sends what chance draws, in hundreds of variations", false, false, chance_physmem},
    {"chance-swap", "the same to swap", true, false, chance_swap},
    {"locks", "keeps the kernel's lock of its extents, gives pages back, and ends", false, true,
     locks_physmem},
    {"locks-swap", "the same, and has pages loaded into them", true, true, locks_swap},
};

/* Until it is killed. */
static int attack_nothing(const struct attack_target *target)
{
    char byte;

    return read(target->leash, &byte, 1) < 0 ? -errno : 0;
}

static const struct hostile_attack control = {
    "(none)", "no attacker: what this machine does by itself", false, false, attack_nothing};

#define ATTACKS (sizeof(attacks) / sizeof(attacks[0]))

/* What may grow by an attack, beyond what shares of the limits allow. */
#define MEMORY_MOST      (INT64_C(160) << 20)
#define DESCRIPTORS_LEFT 16 /* open some time after the attack, more than before */
#define AFTER_MS         8000u

#define ROUNDS      5u /* unless another number is given */
#define ROUNDS_MOST 20u

struct hostile_options {
    const char *only;
    uint64_t bound_ns;
    uint64_t duration_ns;
    uint64_t seed;
    uint32_t rounds;
    bool brief;
    bool json;
};

/* What came of one attack. */
struct damage {
    const char *left_out; /* why it was not played; NULL: it was */
    uint64_t quiet_ns;    /* the longest wait before it, of all rounds */
    uint64_t longest_ns;  /* during it; of several rounds, in the one where that was shortest */
    uint32_t rounds;
    uint64_t round_ns[ROUNDS_MOST]; /* the longest wait of each */
    uint64_t served;                /* requests of the bystander */
    uint64_t variations;            /* that an attack by chance has played */
    int64_t memory;                 /* bytes more than before, at most */
    int64_t descriptors;            /* the same */
    int64_t left;                   /* descriptors more than before, at the end */
    int bystander;                  /* its error */
    bool books;                     /* are right at the end */
    bool ended;                     /* the servers ended by themselves, with status 0 */
    bool holds;
};

static int time_take(void *field, const char *name, const char *text, struct sp_error *error)
{
    char unit[3] = "";
    double value;

    if (sscanf(text, "%lf%2s", &value, unit) < 1 || !(value > 0 && value <= 1e6) ||
        (strcmp(unit, "ms") != 0 && strcmp(unit, "s") != 0))
        return error_set(error, EINVAL, "--%s: \"%s\" is not a time, as 5ms or 2s", name, text);
    *(uint64_t *)field = (uint64_t)(value * (strcmp(unit, "s") == 0 ? 1e9 : 1e6));
    return 0;
}

static int bound_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    return time_take(&((struct hostile_options *)options)->bound_ns, name, text, error);
}

static int duration_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    return time_take(&((struct hostile_options *)options)->duration_ns, name, text, error);
}

static void attacks_help(FILE *out)
{
    fprintf(out, "\nThe attacks, each against servers of its own; the attacker\n");
    for (unsigned i = 0; i < ATTACKS; i++)
        fprintf(out, "  %-12s %s\n", attacks[i].name, attacks[i].what);
}

#define FIELD(name) offsetof(struct hostile_options, name)

static const struct option_row rows[] = {
    {"only", OPTION_TEXT, FIELD(only), .value = "NAME", .help = "Play this attack alone."},
    {"bound", OPTION_CALL, .take = bound_take, .value = "TIME",
     .help = "The longest wait of a bystander for one request that is good (5ms). Waits for a "
             "processor are not counted, but other programs that use the disk or the memory are "
             "felt."},
    {"rounds", OPTION_U32, FIELD(rounds), 1, ROUNDS_MOST, .value = "N",
     .help =
         "Play an attack during which a request waited longer again, N times in all (5): a wait "
         "that it causes comes back in each round, one of the machine does not. The wait "
         "that is shown is that of the best round."},
    {"duration", OPTION_CALL, .take = duration_take, .value = "TIME",
     .help = "How long each attack lasts (3s; with --short 700ms)."},
    {"seed", OPTION_U64, FIELD(seed), 0, UINT64_MAX, .value = "N",
     .help = "What chance draws in the attacks \"chance\" and \"chance-swap\" (1)."},
    {"short", OPTION_FLAG, FIELD(brief), .help = "Attack with a tenth of the strength."},
    {"json", OPTION_FLAG, FIELD(json), .help = "Print one JSON object instead; times are in ns."},
};

static const struct options_syntax syntax = {
    .program = "selfpage bench hostile",
    .usage = "[options]",
    .about =
        "Start physmem and swap, attack them with all that is known, and see what a bystander\n"
        "feels: how long it waits at most, what memory and descriptors the attack costs the\n"
        "server, and whether its books are right afterwards. The first row is without an attacker:\n"
        "waits in it are the machine's. Run by root, the attacker has a\n"
        "user id of its own, as the threat model has it; else it is the same user.",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .more = attacks_help,
    .exit_statuses = "0 all bounds held; 1 one did not; 2 it could not run",
};

/* ---- One attack ---- */

struct attack_play {
    const struct hostile_attack *attack;
    struct attack_target target;
};

/* In the attacker's process. */
static int attack_run(void *arg)
{
    const struct attack_play *play = arg;
    uid_t uid = play->target.uid;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    limits_raise_files();
    /* Attacks by FUSE change their user once they have mounted. */
    if (uid != geteuid() && !play->attack->needs_fuse &&
        (setgroups(0, NULL) != 0 || setgid(uid) != 0 || setuid(uid) != 0))
        return EXIT_CANNOT;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    return play->attack->run(&play->target) == 0 ? EXIT_YES : EXIT_CANNOT;
}

static void rest(uint64_t ns)
{
    struct timespec time = {.tv_sec = (time_t)(ns / CLOCK_NS_PER_S),
                            .tv_nsec = (long)(ns % CLOCK_NS_PER_S)};

    while (nanosleep(&time, &time) != 0 && errno == EINTR)
        continue;
}

/* Watch while the attack goes on. Returns what waitpid said, if it ended by itself; else -1. */
static int watch(const struct launched *server, pid_t attacker, uint64_t duration_ns,
                 int64_t memory_before, int64_t descriptors_before, struct damage *outcome)
{
    uint64_t until_ns = clock_now_ns() + duration_ns;
    int status = 0;

    while (clock_now_ns() < until_ns) {
        int64_t memory = place_memory(server) - memory_before;
        int64_t descriptors = place_descriptors(server) - descriptors_before;

        outcome->memory = memory > outcome->memory ? memory : outcome->memory;
        outcome->descriptors =
            descriptors > outcome->descriptors ? descriptors : outcome->descriptors;
        if (attacker > 0 && child_wait(attacker, 0, &status) == 0)
            return status;
        rest(20 * CLOCK_NS_PER_MS);
    }
    return -1;
}

/* Whether the books show nobody but the bystander. */
static bool books_are_right(struct observer *observer, bool on_swap)
{
    if (observer_refresh(observer, 5000, NULL) != 0)
        return false;
    if (on_swap)
        return observer->swap.clients == 1 && observer->swap.used <= 1 &&
               observer->swap.reserved == 8;
    return observer->physmem.tasks == 1 && observer->physmem.extents == 0 &&
           observer->physmem.guaranteed == 8 &&
           observer->physmem.free + observer->physmem.soft >= ATTACK_FRAMES - 1;
}

static void look_back(const struct place *place, const struct hostile_attack *attack,
                      int64_t descriptors_before, struct damage *outcome)
{
    const struct launched *server = attack->on_swap ? &place->swap : &place->physmem;
    uint64_t until_ns = clock_now_ns() + AFTER_MS * CLOCK_NS_PER_MS;
    struct observer observer;

    observer_init(&observer);
    if (observer_connect(&observer,
                         attack->on_swap ? place->directory.swap : place->directory.physmem,
                         "judge", NULL) == 0)
        do {
            outcome->books = books_are_right(&observer, attack->on_swap);
            outcome->left = place_descriptors(server) - descriptors_before;
            if (!outcome->books || outcome->left > DESCRIPTORS_LEFT)
                rest(20 * CLOCK_NS_PER_MS);
        } while ((!outcome->books || outcome->left > DESCRIPTORS_LEFT) &&
                 clock_now_ns() < until_ns);
    observer_fini(&observer);
}

static int play_at(struct place *place, const struct hostile_attack *attack,
                   const struct hostile_options *options, struct damage *outcome,
                   struct sp_error *error)
{
    const struct launched *server = attack->on_swap ? &place->swap : &place->physmem;
    const char *path = attack->on_swap ? place->directory.swap : place->directory.physmem;
    struct attack_play play = {attack,
                               {.physmem = place->directory.physmem,
                                .swap = place->directory.swap,
                                .directory = place->mount,
                                .strength = options->brief ? 1 : 10,
                                .seed = options->seed,
                                .uid = geteuid() == 0 ? ATTACK_UID : geteuid()}};
    struct spawn spawn = {SPAWN_DEFAULTS, .group = place->guardian.group};
    int leash[2];
    static struct bystander bystander;
    int64_t memory, descriptors;
    pid_t attacker = 0;
    int code, status = 0;

    if (attack->needs_fuse && !fuse_possible(place->mount)) {
        outcome->left_out = "this machine lets this user mount no FUSE file system";
        return 0;
    }
    play.target.variations =
        mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (play.target.variations == MAP_FAILED)
        return error_set(error, errno, "no memory to share with the attacker: %s", strerror(errno));
    code = bystander_start(&bystander, path, server->pid, attack->on_swap);
    if (code < 0) {
        munmap(play.target.variations, sizeof(uint64_t));
        return error_set(error, -code, "the bystander cannot begin: %s", strerror(-code));
    }
    watch(server, 0, options->duration_ns / 3, 0, 0, outcome);
    outcome->quiet_ns = bystander_longest_ns(&bystander);
    outcome->memory = outcome->descriptors = 0;
    memory = place_memory(server);
    descriptors = place_descriptors(server);
    bystander_reset(&bystander);
    fflush(NULL);
    if (pipe2(leash, O_CLOEXEC) != 0)
        return error_set(error, errno, "pipe: %s", strerror(errno));
    play.target.leash = leash[0];
    spawn.closed = leash[1];
    code = spawn_function(&spawn, attack_run, &play, &attacker, error);
    close(leash[0]);
    if (code == 0)
        status = watch(server, attacker, options->duration_ns, memory, descriptors, outcome);
    close(leash[1]);
    if (code == 0) {
        if (status == -1)
            child_end(attacker, SIGKILL, 20000, &status);
        else if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_CANNOT)
            outcome->left_out = "it could not be tried here";
        outcome->longest_ns = bystander_longest_ns(&bystander);
        outcome->served = bystander.served;
        outcome->variations = __atomic_load_n(play.target.variations, __ATOMIC_RELAXED);
        look_back(place, attack, descriptors, outcome);
    }
    bystander_stop(&bystander);
    munmap(play.target.variations, sizeof(uint64_t));
    outcome->bystander = bystander.error;
    return code;
}

static int play_round(const struct hostile_attack *attack, const struct hostile_options *options,
                      struct damage *outcome, struct sp_error *error)
{
    struct place place;
    int code;

    place_init(&place);
    *outcome = (struct damage){0};
    code = place_start(&place, geteuid() == 0, error);
    if (code == 0)
        code = play_at(&place, attack, options, outcome, error);
    outcome->ended = place_end(&place);
    return code;
}

/* Whether all bounds but that of the wait hold. */
static bool is_sound(const struct damage *outcome)
{
    return outcome->memory <= MEMORY_MOST && outcome->left <= DESCRIPTORS_LEFT &&
           outcome->bystander == 0 && outcome->books && outcome->ended;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Add one more round to those before it. */
static void add_round(struct damage *all, const struct damage *round)
{
    uint64_t shortest_ns = all->rounds == 0 || round->longest_ns < all->longest_ns
                               ? round->longest_ns
                               : all->longest_ns;

    all->left_out = round->left_out;
    all->quiet_ns = round->quiet_ns > all->quiet_ns ? round->quiet_ns : all->quiet_ns;
    all->longest_ns = shortest_ns;
    all->round_ns[all->rounds++] = round->longest_ns;
    all->served += round->served;
    all->variations += round->variations;
    all->memory = larger(all->memory, round->memory);
    all->descriptors = larger(all->descriptors, round->descriptors);
    all->left = larger(all->left, round->left);
    all->bystander = all->bystander != 0 ? all->bystander : round->bystander;
    all->books = all->books && round->books;
    all->ended = all->ended && round->ended;
}

/* Play an attack until a round holds, or another bound than that of the wait is broken. */
static int play(const struct hostile_attack *attack, const struct hostile_options *options,
                struct damage *outcome, struct sp_error *error)
{
    struct damage round;
    int code;

    *outcome = (struct damage){.books = true, .ended = true};
    do {
        code = play_round(attack, options, &round, error);
        if (code != 0)
            return code;
        add_round(outcome, &round);
    } while (outcome->left_out == NULL && outcome->longest_ns > options->bound_ns &&
             is_sound(outcome) && outcome->rounds < options->rounds);
    outcome->holds = outcome->left_out != NULL ||
                     (outcome->longest_ns <= options->bound_ns && is_sound(outcome));
    return 0;
}

/* ---- What is printed ---- */

static void print_head(const struct hostile_options *options)
{
    if (options->json)
        return;
    printf("The attacker is %s.\n\n",
           geteuid() == 0 ? "another user" : "the same user: run as root for another one");
    printf("%-12s %10s %10s %8s %12s %8s  %s\n", "attack", "quiet", "wait", "memory", "descriptors",
           "books", "");
}

/* The waits of several rounds. */
static void print_rounds(const struct damage *outcome)
{
    if (outcome->rounds < 2)
        return;
    printf(" (rounds:");
    for (uint32_t i = 0; i < outcome->rounds; i++)
        printf(" %.1f", (double)outcome->round_ns[i] / 1e6);
    printf(" ms)");
}

static void print_row(const struct hostile_attack *attack, const struct damage *outcome)
{
    if (outcome->left_out != NULL)
        printf("%-12s left out: %s\n", attack->name, outcome->left_out);
    else
        printf("%-12s %7.1f ms %7.1f ms %4lld MiB %5lld -> %3lld %8s  %s%s", attack->name,
               (double)outcome->quiet_ns / 1e6, (double)outcome->longest_ns / 1e6,
               (long long)outcome->memory >> 20, (long long)outcome->descriptors,
               (long long)outcome->left, outcome->books ? "right" : "WRONG",
               outcome->holds ? "held" : "NOT HELD",
               outcome->bystander != 0 ? ": the bystander was sent away"
               : !outcome->ended       ? ": a server did not end as it should"
                                       : "");
    if (outcome->left_out == NULL) {
        print_rounds(outcome);
        printf("\n");
    }
    printf("             %s", attack->what);
    if (outcome->variations > 0)
        printf(": %llu", (unsigned long long)outcome->variations);
    printf("\n");
    fflush(stdout);
}

static json_t *row_json(const struct hostile_attack *attack, const struct damage *outcome)
{
    json_t *rounds = json_array();

    for (uint32_t i = 0; i < outcome->rounds; i++)
        json_array_append_new(rounds, json_integer((json_int_t)outcome->round_ns[i]));
    if (outcome->left_out != NULL)
        return json_pack("{ss ss ss so}", "attack", attack->name, "what", attack->what, "left_out",
                         outcome->left_out, "rounds_ns", rounds);
    return json_pack(
        "{ss ss sI sI so sI sI sI sI sI sb sb sb}", "attack", attack->name, "what", attack->what,
        "quiet_ns", (json_int_t)outcome->quiet_ns, "wait_ns", (json_int_t)outcome->longest_ns,
        "rounds_ns", rounds, "served", (json_int_t)outcome->served, "variations",
        (json_int_t)outcome->variations, "memory_bytes", (json_int_t)outcome->memory, "descriptors",
        (json_int_t)outcome->descriptors, "descriptors_left", (json_int_t)outcome->left, "books",
        outcome->books, "ended", outcome->ended, "held", outcome->holds);
}

/* Play an attack, and print or append what came of it. */
static int play_and_tell(const struct hostile_attack *attack, const struct hostile_options *options,
                         struct damage *outcome, json_t *list, struct sp_error *error)
{
    int code = play(attack, options, outcome, error);

    if (code == 0 && options->json)
        json_array_append_new(list, row_json(attack, outcome));
    else if (code == 0)
        print_row(attack, outcome);
    return code;
}

static void print_json(const struct hostile_options *options, json_t *controls, json_t *list)
{
    json_t *all = json_pack("{sb sI si sI sO sO}", "another_user", geteuid() == 0, "bound_ns",
                            (json_int_t)options->bound_ns, "rounds", (int)options->rounds, "seed",
                            (json_int_t)options->seed, "control", json_array_get(controls, 0),
                            "attacks", list);

    json_dumpf(all, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(all);
}

static int play_all(const struct hostile_options *options, struct sp_error *error)
{
    json_t *list = json_array(), *controls = json_array();
    struct damage outcome;
    bool held = true;
    int code;

    print_head(options);
    code = play_and_tell(&control, options, &outcome, controls, error);
    for (unsigned i = 0; i < ATTACKS && code == 0; i++) {
        if (options->only != NULL && strcmp(options->only, attacks[i].name) != 0)
            continue;
        code = play_and_tell(&attacks[i], options, &outcome, list, error);
        held = held && code == 0 && outcome.holds;
    }
    if (code == 0 && options->json)
        print_json(options, controls, list);
    json_decref(controls);
    json_decref(list);
    if (code != 0)
        return commands_cannot(error);
    return held ? EXIT_YES : EXIT_NO;
}

int hostile_command(int argc, char **argv)
{
    struct hostile_options options = {.bound_ns = 5 * CLOCK_NS_PER_MS, .seed = 1, .rounds = ROUNDS};
    struct sp_error error = {0};
    int verdict;
    bool known = false;

    verdict = commands_options(argc, argv, &syntax, &options);
    if (verdict >= 0)
        return verdict;
    for (unsigned i = 0; i < ATTACKS && options.only != NULL; i++)
        known = known || strcmp(options.only, attacks[i].name) == 0;
    if (options.only != NULL && !known) {
        error_set(&error, EINVAL, "--only: there is no attack \"%s\" (see --help)", options.only);
        return commands_cannot(&error);
    }
    if (options.duration_ns == 0)
        options.duration_ns = options.brief ? 700 * CLOCK_NS_PER_MS : 3 * CLOCK_NS_PER_S;
    limits_raise_files();
    return play_all(&options, &error);
}

/* Physmem, swap and tasks together in virtual time, event by event.
 *
 * A play is a function of what it is given: the same actors, seed and costs make the same events, with every
 * compiler and on every machine. Each actor and each purpose has random numbers of its own, so that an actor
 * more or less changes none of another's.
 *
 *     play_init, play_add for each task, play_at for what the caller wants to do in between
 *     play_next until it says that it is over; play_settle; look at the actors; play_fini */
#ifndef PLAY_PLAY_H
#define PLAY_PLAY_H

#include <selfpage/arbiter.h>

#include "play/actor.h"
#include "play/fileserver.h"
#include "play/policyserver.h"
#include "play/sublet.h"

struct play_config {
    const struct allocator *allocator; /* these outlive the play */
    const struct allocator *fresh;     /* new memory from it is zeros */
    const struct sp_arbiter *arbiter;
    double arbiter_params[PARAMS_MAX];
    uint32_t frames, reserve;
    const struct sublet_config *stacked; /* physmems that rest on the first, or on one before */
    uint32_t stacked_count;              /* at most SCENE_STACKED_MAX */
    uint32_t swap_slots;                 /* 0: there is no swap */
    uint32_t bandwidth;   /* pages a second, of all contracts for it with swap; 0: there are none */
    uint64_t fail_writes; /* of 2^32 pages that are to be written, the number that cannot be */
    uint64_t chaos_ns;    /* unmap some pages at random, so often; 0: never */
    uint64_t seed;
    uint64_t
        storm_until; /* faults strike until then, and an actor that dies comes again; 0: there are none */
    uint64_t
        storm_every; /* how often each kind strikes each actor, in the mean; 0: as the seed draws */
    struct costs costs;
    uint32_t actors;                                /* for which there is room */
    const struct policyserver_config *policyserver; /* NULL: there is none */
    const struct fileserver_config *fileserver;     /* the same; it outlives the play, too */
    bool strict;          /* that a task which keeps its contracts is revoked breaks a rule */
    uint32_t check_every; /* events between two counts of all books; 0: never */
    bool kernel_bits;     /* the kernel notes references for policies that sample */
    bool shuffled;        /* what happens at one time happens in an order that the seed draws */
};

enum play_step {
    PLAY_EVENT,  /* something has happened */
    PLAY_OTHER,  /* the time of play_at has come */
    PLAY_OVER,   /* all actors have ended */
    PLAY_WRONG,  /* a rule is broken: scene.wrong says which */
    PLAY_FAILED, /* there was no memory */
};

/* Purposes of random streams; those of actors follow. */
enum { STREAM_SAMPLES = 1, STREAM_CHAOS, STREAM_DEVICE, STREAM_ORDER = 0x5800 };

struct play {
    struct play_config config;
    struct scene scene;
    struct actor *actor;
    uint32_t actors;
    uint32_t left; /* actors that have not ended for good */
    struct policyserver policyserver;
    uint64_t events;
    uint64_t hash;     /* of all events so far */
    uint64_t moved_ns; /* the time of the latest events */
    uint32_t at_once;  /* how many these are */
    struct random_source chaos, samples;
    uint64_t references;     /* of lives that have ended */
    uint32_t endings;        /* of the scene that were looked at */
    bool paced;              /* the seed says how long everything takes, while faults strike */
    bool calm;               /* nothing goes wrong any more: see play_calm */
    struct queue_entry last; /* what has happened last */
    const char *last_letter; /* what it said; NULL: it was not a message */
};

/* Returns 0, -ENOMEM, -EINVAL (a number of the configuration), or -ECONNREFUSED (scene.wrong says which physmem, or that the
 * file server, gets no contract, and why). play_fini in any case. The struct must not
 * move. */
int play_init(struct play *play, const struct play_config *config);
void play_fini(struct play *play);

/* A task: it comes at `start_ns`, and is ended by SIGTERM `stop_ns` later (0: never). `config` outlives the
 * play. */
void play_add(struct play *play, const struct actor_config *config, uint64_t start_ns,
              uint64_t stop_ns);

/* Let faults of these kinds (bits of enum storm_kind) strike all actors that were added, until
 * config.storm_until. */
void play_storm(struct play *play, uint32_t kinds);

/* From now on nothing goes wrong: no fault strikes, and those that last end. What is random from now on is drawn from
 * another seed: what happens next happens in one of many ways. */
void play_calm(struct play *play, uint64_t seed);

/* What has happened last, in words, into `text`. */
void play_describe(const struct play *play, char *text, size_t size);

/* Have play_next say PLAY_OTHER at that time. */
void play_at(struct play *play, uint64_t when, uint64_t value);

/* The next event. *valuep is set for PLAY_OTHER. */
enum play_step play_next(struct play *play, uint64_t *valuep);

/* All actors have ended: let physmem and swap notice. The file server ends then. */
void play_settle(struct play *play);

/* A signal for an actor: 0, or -ESRCH if it is not there. */
int play_signal(struct play *play, uint32_t actor, int signal);

enum play_server {
    PLAY_PHYSMEM,
    PLAY_SWAP,
    PLAY_POLICYSERVER,
    PLAY_FILESERVER,
    PLAY_STACKED = 4 /* the first of config.stacked */
};

/* A signal for a server that the play has: 0, or -ESRCH if it does not run. SIGSTOP has it hang until SIGCONT; those that
 * a live one ignores do nothing; others end it, and with physmem or swap all tasks, which lose what it held; with a physmem those that rest on it. */
int play_server_signal(struct play *play, enum play_server which, int signal);

/* Start it again, with nothing in it: 0; -EEXIST: it runs; -ECONNREFUSED: a physmem that it needs does not, or
 * refuses it. */
int play_server_start(struct play *play, enum play_server which);

bool play_server_runs(const struct play *play, enum play_server which);
bool play_server_hangs(const struct play *play, enum play_server which);

/* Set actor->seen to what physmem says of an actor now. */
void play_look(struct play *play, uint32_t actor);

/* Have physmem recall frames from an actor. Returns as physmem_recall_from; -EPIPE: physmem is away; -EAGAIN: it hangs. */
int64_t play_recall(struct play *play, uint32_t actor, uint32_t frames);

#endif

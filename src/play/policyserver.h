/* A policy server of a play: its process, and physmem's end of its connection.
 *
 * It comes before all tasks, and is in force when they come. What happens to it then (a signal, its death, a successor)
 * takes messages, as between processes. */
#ifndef PLAY_POLICYSERVER_H
#define PLAY_POLICYSERVER_H

#include "core/contracts/limit.h"
#include "play/scene.h"
#include "rounds/rounds.h"

struct policyserver_config {
    const struct arbiter_choice *arbiter; /* NULL: physmem's own decides */
    const struct limit *limits;
    uint32_t limits_count;
    uint64_t period_ns; /* it looks at all tasks so often, and whenever one lacks frames */
};

/* What it does. */
enum policyserver_doing {
    POLICYSERVER_AWAY,
    POLICYSERVER_ASKS,   /* waits for control */
    POLICYSERVER_RULES,  /* has sent its limits, and looks at tasks */
    POLICYSERVER_LEAVES, /* gives control back */
};

struct policyserver {
    struct scene *scene;
    const struct policyserver_config *config; /* outlives it; NULL: there is none */
    enum policyserver_doing state;
    uint32_t life; /* what is sent to an earlier one is not heard */
    struct rounds rounds;
    bool has_control; /* as physmem sees it */
    bool rung;        /* physmem waits for an answer */
    bool hangs;
    bool lost;         /* physmem has ended */
    uint64_t look_ns;  /* when it looks again: other looks are out of date */
    uint64_t up, down; /* when the last message of each direction arrives */
    uint64_t happened; /* while it hangs: bits of what it will hear */
};

/* There is none if `config` is NULL. The struct must not move. */
void policyserver_prepare(struct policyserver *server, const struct policyserver_config *config,
                          struct scene *scene);
void policyserver_dismiss(struct policyserver *server);

/* It starts before everything else, and is in force. */
void policyserver_come_first(struct policyserver *server);

/* Its process starts, after which messages pass. Returns 0; -EEXIST: it runs; -ECONNREFUSED: physmem does not. */
int policyserver_start(struct policyserver *server);

/* A signal: SIGTERM and SIGINT have it give control back and end, SIGHUP send its limits again, SIGSTOP hang until SIGCONT,
 * and others end it. Returns 0, or -ESRCH: it does not run. */
int policyserver_signal(struct policyserver *server, int signal);

/* Physmem has ended, and so does the policy server when it hears of it. Its tables are gone. */
void policyserver_lost(struct policyserver *server);

/* Send what physmem has for it: scene.rung and scene.grown. */
void policyserver_notify(struct policyserver *server);

/* What an entry SCENE_POLICY stands for has come. */
void policyserver_happen(struct policyserver *server, const struct queue_entry *entry);

#endif

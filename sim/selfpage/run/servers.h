/* The servers of a run. */
#ifndef SELFPAGE_RUN_SERVERS_H
#define SELFPAGE_RUN_SERVERS_H

#include "selfpage/run/state.h"

/* Start all servers that the scenario has, wait until they listen, and connect an observer to each.
 * Returns 0, or a negative errno with a text. */
int servers_start(struct run *run, struct sp_error *error);

/* Have the loop listen to a server that has just been connected to. Returns 0 or an error of libuv. */
int servers_watch(struct run *run, enum scenario_server which);

/* The loop listens to it no longer, if it did. */
void servers_unwatch(struct run_server *server);

/* Reap a server if it has ended. */
void servers_look(struct run *run, enum scenario_server which);

/* A server's process has been reaped with this status. */
void servers_ended(struct run *run, enum scenario_server which, int status);

/* Send a signal to a server if it runs, and remember it. */
void servers_signal(struct run_server *server, int number);

/* Start a server again that has ended, and listen to it. Same returns as servers_start. */
int servers_restart(struct run *run, enum scenario_server which, struct sp_error *error);

/* Take over what the observers know into the outcome. */
void servers_note_status(struct run *run);

#endif

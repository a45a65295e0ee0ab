/* A server on a Unix socket that speaks the wire protocol: the skeleton of physmem and swap.
 *
 * One libuv loop, one thread. The server decodes and checks messages, and ends a connection whose
 * peer breaks the rules, with one logged line; what messages mean is the business of the handlers.
 * Nothing here ever waits for a peer: see also io/errand.h.
 *
 * TURNS. A connection's messages are handled for a slice of time, INPUT_SLICE_NS, and then the next
 * connection has its turn; what is left of one waits in memory, and no more is read from it. Users
 * take turns first, and each user's connections among themselves. The bound: beside any clients of
 * other users, a message waits for one slice of each user that keeps the server busy, for one pass
 * (INPUT_PASS_NS) and for the longest single message. Each user's connections are watched apart
 * (io/watch.h), and what closes is cleared away in slices too, so thousands of connections that
 * come, speak or end at once make no difference to others.
 *
 * SHARES. Connections and queued output are shared out by user id: see io/user.h. A connection that
 * connection_greet is not called for in time is closed.
 *
 * LIFE. server_start .. uv_run .. server_fini. A connection lives from on_accept until on_close
 * returns; on_close is called exactly once for each connection that on_accept kept, always from the
 * loop and never from inside another function of this header. Between connection_close and on_close
 * nothing more is received from or sent to it.
 *
 * SENDING. connection_send gathers: what is sent to the connection whose messages are being handled
 * goes out together when all messages received at once have been handled, all else before the loop
 * next waits; each time with one sendmsg, or one more for each message with a descriptor.
 *
 * DESCRIPTORS. The descriptor of a message is sent with the message's first byte. A descriptor that
 * no message announces, or an announced one that does not come, ends the connection. Where none
 * belongs the kernel refuses them, if it can (SO_PASSRIGHTS, Linux 6.16). */
#ifndef IO_SERVER_H
#define IO_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include <selfpage/error.h>

#include "io/errand.h"
#include "io/log.h"
#include "io/user.h"
#include "os/sock.h"
#include "wire/message.h"

/* Descriptors that may wait for a peer that does not receive; beyond, it is dropped as one that
 * lets more than queue_max bytes wait. */
#define CONNECTION_FDS_MAX 128u

/* A connection's turn, and the time that one pass of the loop gives to turns. Each is exceeded by
 * one message at most. */
#define INPUT_SLICE_NS 250000u
#define INPUT_PASS_NS  500000u

/* When a peer may send descriptors at all. */
enum server_descriptors {
    SERVER_DESCRIPTORS_ALWAYS = 0,
    SERVER_DESCRIPTORS_GREETED, /* once connection_greet has been called with true */
    SERVER_DESCRIPTORS_NEVER,
};

struct server;
struct connection;
struct connection_chunk;

/* Why a connection ended. */
enum connection_end {
    CONNECTION_LOCAL = 0,     /* connection_close or server_stop */
    CONNECTION_PEER,          /* the peer closed it, or is gone */
    CONNECTION_VIOLATION,     /* the peer broke the protocol */
    CONNECTION_NOT_RECEIVING, /* the peer does not take what it is sent: queue_max is passed */
    CONNECTION_FAILED,        /* no memory or descriptors here, or a system call failed */
};

/* What a server does. All run on the loop's thread. They may send to, and close, any connection of
 * the server, and stop the server. */
struct server_handlers {
    /* Somebody connected. Return 0 to keep the connection, a negative errno to refuse it (logged;
     * there will be no on_close). May set connection->user. NULL: keep. */
    int (*on_accept)(struct connection *connection, const struct sock_peer *peer);

    /* A legal message came; it is valid until the handler returns. `consume_fd` is the descriptor
     * that came with it, from then on the handler's to give to connection_discard, or -1; it is one
     * if and only if message->nfds is 1. It has not been looked at in any way. Required. */
    void (*on_message)(struct connection *connection, const struct wire_message *message,
                       int consume_fd);

    /* The connection has ended, and must not be used after this returns; its peer knows already.
     * `reason` is one line for people, valid during the call. May be NULL. */
    void (*on_close)(struct connection *connection, enum connection_end end, const char *reason);

    /* The server is about to close everything, by a signal or server_stop: called once, while all
     * connections can still be sent to. The place to close handles of one's own. May be NULL. */
    void (*on_stop)(struct server *server);
};

struct server_options {
    const char *program; /* for the log; static text */
    const char *path;    /* of the socket; copied */
    int backlog;         /* 0: 128 */
    int ready_fd;        /* >= 0: gets one byte, and is closed, once the server listens; else -1 */
    /* Stop on SIGTERM and SIGINT, which are then ignored, so that asking twice does not kill a
     * server that closes down; ignore SIGPIPE. */
    bool signals;
    uint32_t connections_max; /* further ones are refused; 0: no limit */
    uint32_t queue_max;       /* bytes queued for a peer that does not receive; 0: 256 KiB */
    uint64_t output_max;      /* the same for all peers together; 0: 64 MiB */
    uint32_t greet_ms;        /* time until connection_greet must have been called; 0: no limit */
    uint32_t slice_ns;        /* a connection's turn; 0: INPUT_SLICE_NS */
    enum server_descriptors descriptors;
    struct server_handlers handlers;
    void *user; /* for the handlers, as server->user */
};

/* Counters since the start. */
struct server_counters {
    uint64_t accepted;
    uint64_t refused;    /* by on_accept or connections_max */
    uint64_t messages;   /* decoded and handed on */
    uint64_t sent;       /* messages taken by connection_send */
    uint64_t violations; /* connections ended for CONNECTION_VIOLATION */
    uint64_t dropped;    /* connections ended for CONNECTION_NOT_RECEIVING */
    uint64_t passes;     /* of the loop: from one wait for input to the next */
    uint64_t fed;        /* of these, those in which something was received */
};

/* Embedded in the server's own state; its address must not change. Read-only for others but for
 * `user` and `log` (for log_line). */
struct server {
    uv_loop_t *loop;
    void *user;
    struct log log;
    struct server_handlers handlers;
    struct server_counters counters;
    uint32_t connections; /* open, or being closed */
    uint32_t connections_max;
    uint32_t queue_max;
    uint32_t greet_ms;
    uint32_t ungreeted; /* connections that connection_greet was not called for */
    uint64_t output;    /* bytes that all sockets have not taken */
    uint64_t output_max;
    uint32_t slice_ns;
    uint64_t pass_ns;       /* what turns have taken in this pass */
    uint64_t turn_begun_ns; /* the last one */
    bool in_turn;           /* it is not accounted for yet */
    bool fed;               /* something was received in this pass */
    uint8_t descriptors;    /* enum server_descriptors */
    int listener;
    bool stopping;
    uv_poll_t listener_poll;
    uv_timer_t accept_pause;    /* runs while accepting is suspended for want of descriptors */
    uv_timer_t greet_timer;     /* looks for connections that nobody has greeted */
    uv_prepare_t flush_prepare; /* sends what was gathered, before the loop waits */
    uv_check_t turns;           /* gives connections their turns that could not have them at once */
    uv_idle_t busy;             /* runs while there are such ones: the loop does not wait */
    uv_async_t errands_done;
    struct errand_pool *errands;
    struct users users;
    struct user *deferred_first; /* users with connections that wait for their turn */
    struct user *deferred_last;
    uint64_t deferrals; /* connections that ever began to wait; see server_turns_mark */
    void (*on_ready)(struct server *server, struct user *user);
    void (*resume)(struct server *server, struct user *user);
    void (*wait_for_turns)(struct server *server);
    uv_signal_t terminate;
    uv_signal_t interrupt;
    struct connection *first;       /* list of open and closing connections */
    struct connection *ended_first; /* closing ones in the order in which they ended */
    struct connection *ended_last;
    struct connection *dirty;       /* list of those with output not offered to the socket yet */
    struct connection *handling;    /* whose messages are being handled */
    struct connection_chunk *spare; /* the large output chunk, if nobody uses it */
    uint8_t *buffer;                /* everything is received here */
    struct wire_message message;    /* and decoded here */
    uint64_t received_ns;           /* when the messages being handled were received: one reading */
    char path[SOCK_PATH_MAX + 1];
};

/* One connection. Read-only for others but for `user`. */
struct connection {
    struct server *server;
    struct user *owner; /* one reference */
    void *user;
    struct connection *next;
    struct connection *prev;
    struct connection *next_dirty;
    struct connection *next_ended;
    struct connection *next_deferred; /* of the same user */
    struct connection *prev_deferred;
    struct errand errand;            /* closes the socket */
    struct connection_chunk *output; /* oldest first */
    struct connection_chunk *output_last;
    uint8_t *input; /* bytes of an unfinished message; NULL if there are none */
    char *reason;   /* of closing; NULL: none yet, or no memory for it */
    struct sock_peer peer;
    uint32_t input_size;
    uint32_t input_wanted; /* bytes that the unfinished message needs in all, as far as known */
    uint64_t received_ns;  /* when `input` was received */
    uint64_t deferral;     /* since when it waits for its turn, as server_turns_mark counts */
    uint64_t greet_by_ns;  /* 0: greeted */
    uint32_t queued;       /* bytes of output that the socket has not taken */
    uint32_t queue_max;
    int fd;              /* of the socket */
    uint32_t watched;    /* what it is watched for; see io/watch.h */
    int received_fd;     /* whose message is unfinished; -1: none */
    uint16_t queued_fds; /* descriptors among the output that the socket has not taken */
    uint8_t end;         /* enum connection_end, once closing */
    bool kept;           /* by on_accept: there will be an on_close */
    bool closing;
    bool is_dirty;
    bool blocked;   /* the socket would not take all; writability is awaited */
    bool bare;      /* no descriptor can come with what is received */
    bool deferred;  /* waits for its turn */
    bool unwatched; /* not watched for input while it does */
    bool unhandled; /* `input` has whole messages */
    bool paused;    /* not read: too many descriptors of its user are unclosed */
    bool hung_up;   /* the peer has closed; what it sent before is still read */
};

/* Start to listen on `loop`. Returns 0, or a negative errno (text in `error`, may be NULL); nothing
 * is then left but handles that close as the loop next runs: run the loop once more and call
 * server_fini all the same. */
int server_start(struct server *server, uv_loop_t *loop, const struct server_options *options,
                 struct sp_error *error);

/* Tell the reader of a descriptor that this program is ready: write one byte to it, and close it.
 * Returns 0, or a negative errno with a text. server_start does it for its own descriptor. */
int server_tell_ready(int consume_fd, struct sp_error *error);

/* Stop: call on_stop, offer what was gathered to the sockets, close every connection (on_close
 * follows from the loop), remove the socket file. uv_run returns when that is done and nobody else
 * has handles. Further calls do nothing. */
void server_stop(struct server *server);

/* Free what is left after uv_run has returned. Errands that are under way get a second to end. */
void server_fini(struct server *server);

/* Whether every connection that waited for its turn when server_turns_mark returned `mark` has had
 * it since. For callers that must know that nothing received before is still unhandled. */
uint64_t server_turns_mark(const struct server *server);
bool server_turns_had(const struct server *server, uint64_t mark);

/* Send a message. `borrowed_fd` is the descriptor that goes with a type that carries one (it is
 * duplicated), else -1. Never blocks, and never calls a handler. Returns
 *   0         it is gathered; it will reach the peer if the peer receives
 *   -EINVAL   the message is not legal, or borrowed_fd does not fit its type; nothing is sent
 *   -ENOBUFS  the peer does not receive: more than queue_max bytes would wait. The connection is
 *             closing now with CONNECTION_NOT_RECEIVING
 *   -ENOMEM, -EMFILE  no memory or descriptor; the connection is closing with CONNECTION_FAILED
 *   -EPIPE    the connection was closing already */
int connection_send(struct connection *connection, const struct wire_message *message,
                    int borrowed_fd);

/* Answer `request` with DONE: `error` is 0 or a negative errno, `count` how far it came, `text`
 * (NULL: none) why it failed. Does nothing if the request wants no reply (seq 0). Returns as
 * connection_send. */
int connection_send_done(struct connection *connection, const struct wire_message *request,
                         int error, uint32_t count, const char *text);

/* This peer is known by now: the time limit for that is over. `descriptors`: it may send descriptors
 * from now on, where they are turned on only then. */
void connection_greet(struct connection *connection, bool descriptors);

/* Close a descriptor that came from this peer, wherever that blocks. */
void connection_discard(struct connection *connection, int consume_fd);

/* Offer now to the socket what was gathered. Rarely needed: see SENDING. */
void connection_flush(struct connection *connection);

/* Close: offer what was gathered to the socket once more, then end. Logs `reason` (a format) in
 * one line unless `end` is CONNECTION_LOCAL or CONNECTION_PEER. Further calls do nothing. on_close
 * follows from the loop. */
void connection_close(struct connection *connection, enum connection_end end, const char *reason,
                      ...) SP_PRINTF(3, 4);

/* Bytes that may wait for this peer from now on; 0: what the socket does not take at once is not
 * sent, and ends the connection. */
void connection_set_queue_max(struct connection *connection, uint32_t bytes);

#endif

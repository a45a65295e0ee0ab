/* Requests to an NBD server, from many threads over one connection, which is made again when it breaks. A thread
 * of its own has the connection; others wait.
 *
 * ORDER. At most NBD_IN_FLIGHT commands are under way, and never two that overlap: NBD promises nothing about their
 * order. When the connection breaks, commands under way are sent again over the next one, the same bytes to the same
 * place. A server that is alive may still carry out what came over the old connection, at any later time: until
 * `settle` seconds have passed, other bytes are not written to these places (-EIO), or an older version of a
 * page could overwrite a newer one.
 *
 * TIME. A request waits NBD_PATIENCE_MS at most for a connection and an answer, then fails with -EIO.
 *
 * ERRORS. What the server fails with EIO is sent again, as often as `retries` says: block servers on a network fail for a
 * moment. A sync is not, since nobody knows what became of the writes before it.
 *
 * SYNC. What was written over a connection that broke before it was synced may be lost (the server was restarted):
 * the next sync fails. */
#ifndef BACKEND_NBD_QUEUE_H
#define BACKEND_NBD_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/error.h>

#define NBD_IN_FLIGHT   64u
#define NBD_PATIENCE_MS 15000u

struct nbd_queue;

/* What a server says of its export. */
struct nbd_export {
    uint64_t bytes;
    uint32_t block; /* bytes of the smallest transfer */
    bool read_only;
    bool flushes;
};

enum nbd_request_kind { NBD_READ, NBD_WRITE, NBD_FLUSH };

/* Connect to `uri`, which is borrowed until nbd_queue_close, and start the thread. `settle` is in seconds. Returns
 * 0, or a negative errno with a text. */
int nbd_queue_open(struct nbd_queue **queuep, const char *uri, double settle, uint32_t retries,
                   struct nbd_export *export, struct sp_error *error);

/* Transfer bytes, and wait. Returns 0 or a negative errno. Any thread. */
int nbd_queue_transfer(struct nbd_queue *queue, enum nbd_request_kind kind, uint64_t offset,
                       uint32_t bytes, void *data);

/* How often the connection was made again, and how many commands are under way. Any thread. */
void nbd_queue_count(struct nbd_queue *queue, uint64_t *reconnects, uint32_t *in_flight);

/* End thread and connection. No request is under way. */
void nbd_queue_close(struct nbd_queue *queue);

#endif

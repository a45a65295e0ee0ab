/* What a kept device remembers of its clients and slots, so that a server started again on it can
 * go on (see device.h for the layout, and for what outlives what).
 *
 * The records live in memory as they are in the file, and are written in blocks of 4 KiB. A slot's
 * record is written after its data and cleared before the slot is handed out again: a slot with a
 * good record therefore holds what the record says. A store that was cut short between its record
 * and its acknowledgement comes back as stored, although its client was never told: a client
 * that joins a restarted server can FREE the slots that it does not know. */
#ifndef SWAP_INDEX_H
#define SWAP_INDEX_H

#include <stdint.h>

#include <selfpage/error.h>

/* Clients that a kept device can remember; their numbers are below this. */
#define SWAP_INDEX_CLIENTS 4096u

/* Slots of one call. */
#define SWAP_INDEX_BATCH 64u

/* Bytes of a client's name with its NUL. */
#define SWAP_INDEX_NAME 32u

/* One client: 64 bytes in the file. All zeros: none. */
struct index_client {
    uint64_t key;
    uint32_t uid;
    uint32_t id;
    uint32_t reserved; /* slots */
    uint32_t zero;
    char name[SWAP_INDEX_NAME];
    uint64_t check; /* of the record and its place */
};

/* One slot: 32 bytes in the file. All zeros: free. */
struct index_slot {
    uint64_t key;      /* of its owner */
    uint64_t checksum; /* of its page */
    uint32_t client;   /* its number */
    uint32_t zero;
    uint64_t check; /* of the record and its place */
};

struct swap_index;
struct swap_backend;

/* Byte at which slot 0 starts on a kept device of `slots` slots. */
uint64_t swap_index_data_offset(uint32_t slots);

/* Start the index of a new device, whose head is all zeros: write the header to the head of `device`, which
 * is open at `backend` (both are borrowed for the index's life). Returns 0 or a negative errno and a text,
 * which names `path`. */
int swap_index_create(struct swap_index **index, const struct swap_backend *backend, void *device,
                      uint32_t slots, const char *path, struct sp_error *error);

/* Read the index of an existing device, which must have exactly `slots` slots. Records that fail
 * their check count as free. Returns as swap_index_create. */
int swap_index_load(struct swap_index **index, const struct swap_backend *backend, void *device,
                    uint32_t slots, const char *path, struct sp_error *error);

/* Free it, and set the pointer to NULL. */
void swap_index_free(struct swap_index **index);

/* The record of a slot, or of a client; NULL if there is none. For use before the server serves. */
const struct index_slot *swap_index_slot(const struct swap_index *index, uint32_t slot);
const struct index_client *swap_index_client(const struct swap_index *index, uint32_t number);

/* Enter slots that are stored by the client `number` with `key`, or clear the records of slots that
 * are given up, at most SWAP_INDEX_BATCH; written when this returns. Returns 0 or a negative errno;
 * the records are then unchanged in memory, and old or new in the file. Any thread. */
int swap_index_store(struct swap_index *index, uint32_t number, uint64_t key, const uint32_t *slots,
                     const uint64_t *checksums, uint32_t count);
int swap_index_clear(struct swap_index *index, const uint32_t *slots, uint32_t count);

/* Enter a client (its check is computed here), or remove it (NULL). As above. */
int swap_index_set_client(struct swap_index *index, uint32_t number,
                          const struct index_client *client);

/* Write the records of all clients again that were written since the start: a sync that was to cover them has
 * failed. Returns 0 or a negative errno. Any thread. */
int swap_index_rewrite(struct swap_index *index);

#endif

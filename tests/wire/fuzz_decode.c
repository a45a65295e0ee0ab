/* What must hold for any bytes that a peer can send: linked with libFuzzer if SELFPAGE_FUZZ is on,
 * and with fuzz_replay_test.c always. */
#include <stdlib.h>
#include <string.h>

#include "wire/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t again[WIRE_MESSAGE_MAX];
    static struct wire_message message;
    char line[256];
    size_t used, length;

    while (wire_decode(data, size, &message, &used) == WIRE_OK) {
        if (used < WIRE_HEADER || used > size || used > WIRE_MESSAGE_MAX)
            abort();
        /* There is one encoding of a message. */
        if (wire_encode(&message, again, used) != used || memcmp(again, data, used) != 0)
            abort();
        length = wire_print(&message, line, sizeof(line));
        if (length != strlen(line))
            abort();
        data += used;
        size -= used;
    }
    return 0;
}

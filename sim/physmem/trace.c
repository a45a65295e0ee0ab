#include "trace.h"

/* Longest text of a message: a log line less its beginning. */
#define TEXT_MAX 400

void trace_print(struct service *service, const char *direction,
                 const struct connection *connection, const struct wire_message *message)
{
    char line[TEXT_MAX];

    wire_print(message, line, sizeof(line));
    log_trace(&service->server.log, "%s process %ld: %s", direction, (long)connection->peer.pid,
              line);
}

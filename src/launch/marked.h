/* Processes that can be told by their environment: whatever session or group they are in, and
 * whoever their parent is by now, they inherit it from the task that they come from. */
#ifndef LAUNCH_MARKED_H
#define LAUNCH_MARKED_H

/* Kill every process that began with the entry `entry` ("NAME=VALUE") in its environment, as far as
 * this user may look and kill, until a look at all processes finds none. Async-signal-safe. Returns
 * how many were killed. */
unsigned marked_kill(const char *entry);

#endif

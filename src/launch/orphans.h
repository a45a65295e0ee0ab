/* Processes whose parent has ended before them, in whatever session or group they are. */
#ifndef LAUNCH_ORPHANS_H
#define LAUNCH_ORPHANS_H

/* From now on, descendants of this process become its children when their parent ends. Returns 0 or a
 * negative errno. */
int orphans_adopt(void);

/* Kill all children of this process and theirs, and reap them, within some seconds. Not for a
 * process that has a child that must go on, nor while another thread starts processes. Returns how
 * many were killed. */
unsigned orphans_end(void);

#endif

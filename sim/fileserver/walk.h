/* A path below a directory, walked component by component with the answers of openat2 with
 * RESOLVE_BENEATH: ".." goes up only as far as the walk came down, by the descriptors of the
 * directories that it went through, and links are read and walked, not followed. */
#ifndef FILESERVER_WALK_H
#define FILESERVER_WALK_H

/* As beneath_open. */
int walk_open(int root, const char *path, int flags, unsigned mode);

#endif

/* Removal of a directory with everything in it, by nothing but system calls: the guardian does it
 * in a forked child, where malloc and with it nftw() are not safe to call. */
#ifndef LAUNCH_TREE_H
#define LAUNCH_TREE_H

/* Remove the file or directory `name` in the directory `parent` (or AT_FDCWD). Symbolic links are
 * removed and not followed. Goes on after an error; directories nested more than 32 deep stay.
 * Returns 0, also if there is nothing of that name, or the first error as negative errno. */
int tree_remove(int parent, const char *name);

#endif

/* Compaction: a free block of frames is made by moving what is held to other frames.
 *
 * A frame's number is book-keeping (contents lie in extents), so a move changes two entries of the
 * frame table and one slot. Frames that were taken as a block move as one. Blocks of the wanted
 * size and larger ones stay: what is smaller fits elsewhere.
 *
 * THEOREM. If 2^order frames are free, a free block of that order can be made. For let m blocks of
 * that order exist that are not part of held ones as large, S frames be held in smaller blocks, and
 * t < 2^order frames lie past the last full block: free are m * 2^order + t - S >= 2^order, so S is
 * at most (m - 1) * 2^order + t, and aligned powers of two fit into that without waste, the largest
 * first. Moving the held blocks out of one of the m, one by one, comes to that: if there is no free
 * block for one, 2^its order frames are still free outside, and the theorem holds for it.
 *
 * COST. No frame is looked at to choose a block: at most COMPACT_LOOK blocks that have free frames
 * are, going round, in the buddy allocator's bitmaps, at 2^order / 32 steps, or `order`, each; the
 * one with the most free frames is cleared. (Memory of at most COMPACT_LOOK such blocks is looked at
 * whole.) Clearing it moves fewer than 2^order frames, and with what has to be moved out of their
 * way at most order * 2^order. Below a ceiling at most COMPACT_LOOK blocks without low frames are looked at,
 * from 0 up, and blocks with low frames are passed over frame by frame.
 *
 * LOW FRAMES break the theorem: a block with one is not cleared, and blocks are made of the rest. Pure. */
#ifndef CORE_FRAMES_COMPACT_H
#define CORE_FRAMES_COMPACT_H

#include "core/frames/frame_table.h"

#define COMPACT_LOOK 128u

/* A frame has moved to `frame`, whose entry says for which slot. */
typedef void compact_moved(void *context, uint32_t frame);

/* Make a free block of 2^order, which is at most what the buddy allocator deals with; with a ceiling that
 * is not 0, below that frame. There is none, but as many frames are free. False if low frames, which do not
 * move, stand in the way; with a ceiling also if all that lies below it belongs to larger blocks, and there
 * is no room for one of these elsewhere. Without low frames and ceiling it cannot fail. */
bool compact(struct frame_table *table, unsigned order, uint32_t ceiling, compact_moved *moved,
             void *context);

#endif

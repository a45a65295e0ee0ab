/* Selfpage: L4's memory operations as a model in the caller's process: fpages, map, grant, unmap and
 * flush over any number of address spaces, with rights and status bits.
 *
 * Nothing here touches real memory. A simulator uses it to find out what a real L4 would have done: an
 * access to an address either goes through or is the fault that a pager has to answer, and unmap says
 * whether a page was read or written. The source is the L4 eXperimental Kernel Reference Manual,
 * version X.2, sections "fpages", "mapitem", "grantitem" and "unmap". Each deviation from it, with its
 * reason and the test of its name, is listed in selfpage-deviations(7).
 *
 * THREADS. No function may run at the same time as another on the same struct sp_l4. None blocks, makes
 * a system call or keeps state elsewhere; all may be called from a signal handler if the allocator that
 * was given may. */
#ifndef SELFPAGE_L4_H
#define SELFPAGE_L4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <selfpage/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Bytes of a page, the smallest unit of a mapping. */
#define SP_L4_PAGE UINT64_C(4096)

/** Bytes of an address space; addresses are below this. */
#define SP_L4_SPACE (UINT64_C(1) << 48)

/** Rights, and status bits, as X.2 numbers them. */
#define SP_L4_EXECUTE 1u
#define SP_L4_WRITE   2u
#define SP_L4_READ    4u
#define SP_L4_RIGHTS  7u

/** A region of an address space: a power of two of bytes, at a multiple of its size, with rights. The
 *  word is that of X.2: bits 63 to 10 the base in KiB, bits 9 to 4 the logarithm of the size, bit 3
 *  zero, bits 2 to 0 the rights. */
typedef uint64_t sp_fpage;

/** No region. To map it does nothing; a receive window of it accepts nothing. */
#define SP_FPAGE_NIL UINT64_C(0)

/** All of an address space, without rights; add some by |. */
#define SP_FPAGE_COMPLETE UINT64_C(0x10)

/** Make an fpage.
 *  @param base    address in bytes; a multiple of `size`
 *  @param size    bytes; a power of two, at least 1024 (X.2's smallest; less than a page maps nothing)
 *  @param rights  any of SP_L4_*
 *  @param fpage   is set on success
 *  @return 0, or -EINVAL: size is not a power of two or below 1024, base is not a multiple of it, the region
 *          reaches beyond SP_L4_SPACE, or rights has other bits. */
SP_EXPORT int sp_fpage_make(uint64_t base, uint64_t size, unsigned rights, sp_fpage *fpage);

/** The address at which an fpage begins, in bytes: its base field rounded down to its size; 0 for nil
 *  and for complete. */
SP_EXPORT uint64_t sp_fpage_base(sp_fpage fpage);

/** The size of an fpage in bytes; 0 for nil, SP_L4_SPACE for complete. */
SP_EXPORT uint64_t sp_fpage_size(sp_fpage fpage);

/** The rights of an fpage, or the status bits of one that sp_l4_unmap gave back. */
SP_EXPORT unsigned sp_fpage_rights(sp_fpage fpage);

/** What a send fpage and a receive window make of each other (X.2's rule for windows of unequal size).
 *  @param send       what is sent
 *  @param send_base  the hot spot, in bytes: where in the larger of the two the smaller one lies
 *  @param window     what the receiver accepts
 *  @param from, to   are set on success: the addresses of the first byte on either side
 *  @return the number of bytes that are transferred: the smaller size; 0 if that is less than a page, or
 *          if either is nil. */
SP_EXPORT uint64_t sp_fpage_window(sp_fpage send, uint64_t send_base, sp_fpage window,
                                   uint64_t *from, uint64_t *to);

/** Memory for the model: like realloc, with sizes. Grows or shrinks `block` (NULL: a new one) from
 *  old_size to new_size bytes (0: frees it and returns NULL). Returns NULL when there is none; `block`
 *  is then unchanged. */
struct sp_l4_memory {
    void *(*resize)(void *context, void *block, size_t old_size, size_t new_size);
    void *context;
};

struct sp_l4_options {
    const struct sp_l4_memory *memory; /**< outlives the model */
    uint32_t frames;                   /**< frames of the machine; at least 1 */
    uint32_t
        mappings_max; /**< mappings that each space but sigma0 may have; 0: no limit. Without one a
                                task can use up the model's memory, as on a real kernel */
};

/** A machine: its frames, and the address spaces that map them. */
struct sp_l4;

/** The address space that has all frames: frame f at address f * SP_L4_PAGE, with all rights, for
 *  ever. Every mapping comes from here. */
#define SP_L4_SIGMA0 0u

/** Make a machine with one address space, sigma0.
 *  @return 0; -EINVAL: no allocator or no frames; -ENOMEM. */
SP_EXPORT int sp_l4_create(struct sp_l4 **l4p, const struct sp_l4_options *options);

/** Free a machine and set *l4p to NULL; NULL does nothing. */
SP_EXPORT void sp_l4_destroy(struct sp_l4 **l4p);

/** Make an empty address space. Numbers of spaces are used again after sp_l4_space_destroy.
 *  @return 0 or -ENOMEM. */
SP_EXPORT int sp_l4_space_create(struct sp_l4 *l4, uint32_t *spacep);

/** End an address space: all its mappings go, and all that were derived from them.
 *  @return 0; -ESRCH: no such space; -EPERM: sigma0. */
SP_EXPORT int sp_l4_space_destroy(struct sp_l4 *l4, uint32_t space);

/** A typed item of a message: what the sender maps or grants. */
struct sp_l4_item {
    sp_fpage fpage;     /**< with the rights that are sent */
    uint64_t send_base; /**< hot spot, bytes; its low ten bits are ignored */
    bool grant;         /**< the sender gives its own mapping away */
};

/** Transfer an item from one address space to another.
 *
 *  Page by page, in ascending order: what the sender does not map is skipped. The receiver gets the
 *  rights that are sent and that the sender has, and nothing if there are none. Where the receiver maps
 *  the same frame from the same mapping of the sender, its rights only grow. Where it maps anything
 *  else, that is flushed first, with all that was derived from it; if the sender's own mapping was
 *  derived from it, the page is skipped.
 *
 *  A grant moves the sender's mapping: what was derived from it stays derived from it, with no more
 *  rights than it now has. Pages of the granted fpage that the window leaves out, and pages without
 *  rights, are flushed from the sender.
 *
 *  @param mappedp  is set, also on failure: pages that the receiver got or had
 *  @return 0; -ESRCH: no such space; -EINVAL: a reserved bit is set, or the fpage or the window reaches
 *          beyond the space; -EMSGSIZE: the window is nil (X.2: message overflow); -EPERM: sigma0 grants
 *          or receives; -ENOSPC: the receiver has `mappings_max` mappings; -ENOMEM. After the last two
 *          the pages before the failing one are mapped. */
SP_EXPORT int sp_l4_map(struct sp_l4 *l4, uint32_t from, uint32_t to, const struct sp_l4_item *item,
                        sp_fpage window, uint32_t *mappedp);

/** Take rights away from all mappings that were derived from pages of a space.
 *
 *  The rights of each fpage are those to take: all three remove the mappings, none only reads the
 *  status. With `flush` the space's own mappings lose them, too; sigma0's never do.
 *
 *  @param fpages  on return the rights of each are its status: which accesses happened through mappings
 *                 derived from its pages since the space last asked; with `flush`, through its own as
 *                 well. A read or an execution is SP_L4_READ, a write SP_L4_READ | SP_L4_WRITE (the rule
 *                 of x86). Each space has a view of its own: to read it here takes it from nobody else,
 *                 and accesses of mappings that are gone still count.
 *  @return 0; -ESRCH: no such space; -EINVAL: as for sp_l4_map; nothing has changed then. */
SP_EXPORT int sp_l4_unmap(struct sp_l4 *l4, uint32_t space, sp_fpage *fpages, size_t count,
                          bool flush);

/** Access memory.
 *  @param rights  SP_L4_* that the access needs
 *  @return 0, and the status bits are set; -EFAULT: the address is not mapped; -EACCES: it is, without
 *          these rights; -ESRCH: no such space; -EINVAL: no rights, or others. */
SP_EXPORT int sp_l4_access(struct sp_l4 *l4, uint32_t space, uint64_t address, unsigned rights);

/** A mapping, as sp_l4_lookup shows it. */
struct sp_l4_mapping {
    uint32_t frame;
    unsigned rights;
    unsigned depth;          /**< mappings between this one and sigma0's, this one included */
    uint32_t parent;         /**< the space that it was derived from; of sigma0's: SP_L4_SIGMA0 */
    uint64_t parent_address; /**< there */
    uint32_t derived;        /**< mappings made directly from it */
};

/** What an address maps to.
 *  @return 0; -EFAULT: not mapped; -ESRCH: no such space. */
SP_EXPORT int sp_l4_lookup(const struct sp_l4 *l4, uint32_t space, uint64_t address,
                           struct sp_l4_mapping *mapping);

/** Write the tree of mappings of a frame as text, a line each, indented by depth: space, page number,
 *  rights, and the status that sp_l4_unmap with flush would report there: `1:10 rw- r--`. Siblings stand
 *  in the order of space and page.
 *  @param size  bytes at `text`; what does not fit is cut, with a NUL at the end
 *  @return the length of the whole text. */
SP_EXPORT size_t sp_l4_dump(const struct sp_l4 *l4, uint32_t frame, char *text, size_t size);

/** Check the books, for tests: NULL, or what does not hold. Takes time in proportion to all mappings. */
SP_EXPORT const char *sp_l4_check(const struct sp_l4 *l4);

#ifdef __cplusplus
}
#endif
#endif

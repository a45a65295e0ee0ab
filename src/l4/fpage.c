#include <errno.h>

#include <selfpage/l4.h>

#include "l4/fpage.h"

/* The logarithm of a size. */
#define SHIFT   4
#define SHIFTS  UINT64_C(0x3f)
#define KIB     10
#define LOW     ((UINT64_C(1) << KIB) - 1)
#define LARGEST 48

static unsigned logarithm(sp_fpage fpage)
{
    return (unsigned)(fpage >> SHIFT & SHIFTS);
}

int sp_fpage_make(uint64_t base, uint64_t size, unsigned rights, sp_fpage *fpage)
{
    unsigned shift;

    if (size < UINT64_C(1) << KIB || (size & (size - 1)) != 0 || (base & (size - 1)) != 0)
        return -EINVAL;
    if (size > SP_L4_SPACE || base > SP_L4_SPACE - size || rights > SP_L4_RIGHTS)
        return -EINVAL;
    shift = (unsigned)__builtin_ctzll(size);
    *fpage =
        size == SP_L4_SPACE ? SP_FPAGE_COMPLETE | rights : base | (uint64_t)shift << SHIFT | rights;
    return 0;
}

static bool is_complete(sp_fpage fpage)
{
    return logarithm(fpage) == 1 && (fpage & ~LOW) == 0;
}

uint64_t sp_fpage_size(sp_fpage fpage)
{
    unsigned shift = logarithm(fpage);

    if (is_complete(fpage))
        return SP_L4_SPACE;
    return shift < KIB ? 0 : UINT64_C(1) << shift;
}

uint64_t sp_fpage_base(sp_fpage fpage)
{
    uint64_t size = sp_fpage_size(fpage);

    return size == 0 || size == SP_L4_SPACE ? 0 : fpage & ~LOW & ~(size - 1);
}

unsigned sp_fpage_rights(sp_fpage fpage)
{
    return (unsigned)(fpage & SP_L4_RIGHTS);
}

uint64_t sp_fpage_window(sp_fpage send, uint64_t send_base, sp_fpage window, uint64_t *from,
                         uint64_t *to)
{
    uint64_t sent = sp_fpage_size(send), taken = sp_fpage_size(window);
    uint64_t size = sent < taken ? sent : taken;
    uint64_t spot;

    if (size < SP_L4_PAGE)
        return 0;
    spot = send_base & ~LOW & ((sent < taken ? taken : sent) - 1) & ~(size - 1);
    *from = sp_fpage_base(send) + (sent > taken ? spot : 0);
    *to = sp_fpage_base(window) + (sent < taken ? spot : 0);
    return size;
}

bool fpage_is_legal(sp_fpage fpage)
{
    uint64_t size = sp_fpage_size(fpage);

    if ((fpage & 8) != 0 || logarithm(fpage) > LARGEST)
        return false;
    return size == 0 || sp_fpage_base(fpage) <= SP_L4_SPACE - size;
}

sp_fpage fpage_with_rights(sp_fpage fpage, unsigned rights)
{
    return (fpage & ~(sp_fpage)SP_L4_RIGHTS) | rights;
}

/* Probes that tracers find in programs and libraries: bpftrace, perf and gdb know them as those of the
 * provider selfpage (USDT). A probe is one instruction that does nothing, and a note in the file that says
 * where its arguments lie; a build without sys/sdt.h (Debian: systemtap-sdt-dev) has none of it.
 *
 *     bpftrace -e 'usdt:/usr/lib/x86_64-linux-gnu/libselfpage.so.0:selfpage:fault { @[arg0] = count(); }'
 *
 * HOW DO I ADD A PROBE? One line in the list below, and PROBE2(name, ...) or PROBE3(name, ...) where it
 * happens. Arguments are whole numbers that are at hand anyway: nothing is computed for a probe. The test
 * packaging_probes fails for a probe that is in the list and in no file.
 *
 *     in a task (libselfpage)
 *       fault     page, write      a page that had no frame has got one
 *       evict     page, slot       the policy gave a page up
 *       store     page, slot       a page is sent to swap
 *       stored    page, error      swap has answered: 0, or a positive errno value
 *       loaded    page, ok         contents have come, from swap or a callback
 *       recalled  id, frames, may_clean    physmem wants frames back
 *     in physmem
 *       recall    task, id, frames         the same, where it begins
 *       repossess task, frames     frames are taken by force
 */
#ifndef BASE_PROBE_H
#define BASE_PROBE_H

#if defined(__has_include)
#if __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#endif
#endif

#ifdef STAP_PROBE2
#define PROBE2(name, a, b)    STAP_PROBE2(selfpage, name, a, b)
#define PROBE3(name, a, b, c) STAP_PROBE3(selfpage, name, a, b, c)
#else
#define PROBE2(name, a, b)    ((void)0)
#define PROBE3(name, a, b, c) ((void)0)
#endif

#endif

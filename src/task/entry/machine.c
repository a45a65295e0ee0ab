#include "task/entry/machine.h"

#include <stddef.h>
#include <string.h>

#include "base/assert.h"

#if defined(__aarch64__)

/* As in <asm/sigcontext.h>: records of this form follow each other, up to one of size 0. */
struct record {
    uint32_t magic;
    uint32_t size;
};

#define MAGIC_ESR UINT32_C(0x45535201)

uint64_t machine_syndrome(const ucontext_t *context)
{
    const unsigned char *at = context->uc_mcontext.__reserved;
    const unsigned char *end = at + sizeof(context->uc_mcontext.__reserved);
    struct record record;
    uint64_t syndrome = 0;

    while ((size_t)(end - at) >= sizeof(record) + sizeof(syndrome)) {
        memcpy(&record, at, sizeof(record));
        if (record.magic == MAGIC_ESR) {
            memcpy(&syndrome, at + sizeof(record), sizeof(syndrome));
            break;
        }
        if (record.size < sizeof(record) || record.size > (size_t)(end - at))
            break;
        at += record.size;
    }
    return syndrome;
}

#endif

uint64_t machine_registers(const ucontext_t *context)
{
    uint64_t sum = 0;
#if defined(__x86_64__)
    for (int i = 0; i <= REG_RIP; i++)
        sum = (sum << 7 | sum >> 57) ^ (uint64_t)context->uc_mcontext.gregs[i];
#elif defined(__aarch64__)
    for (int i = 0; i < 31; i++)
        sum = (sum << 7 | sum >> 57) ^ context->uc_mcontext.regs[i];
#else
    (void)context;
#endif
    return sum;
}

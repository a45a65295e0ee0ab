#include "world/golden.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "core/contracts/terms_text.h"
#include "core/physmem/policyserver.h"
#include "wire/message.h"

#define LINE_MAX 256u
#define TEXT_MAX 160u

void golden_init(struct golden *golden, const struct allocator *allocator)
{
    *golden = (struct golden){.allocator = allocator};
}

void golden_fini(struct golden *golden)
{
    memory_free(golden->allocator, golden->text, golden->capacity);
    golden_init(golden, golden->allocator);
}

const char *golden_text(const struct golden *golden)
{
    if (golden->failed)
        return NULL;
    return golden->text != NULL ? golden->text : "";
}

static void add(struct golden *golden, const char *line)
{
    uint32_t length = (uint32_t)strlen(line);

    if (golden->failed || memory_reserve(golden->allocator, &golden->text, &golden->capacity, 1,
                                         golden->length + length + 1) != 0) {
        golden->failed = true;
        return;
    }
    memcpy(golden->text + golden->length, line, length + 1);
    golden->length += length;
}

static void add_line(struct golden *golden, uint64_t now, const char *who, const char *what)
{
    char line[LINE_MAX];

    snprintf(line, sizeof(line), "[%6.3f] %s%s\n", (double)now / 1e9, who, what);
    add(golden, line);
}

void golden_note(struct golden *golden, uint64_t now, const char *what)
{
    add_line(golden, now, "", what);
}

void golden_say(struct golden *golden, uint64_t now, const char *from, const char *to,
                const char *format, ...)
{
    char who[2 * SP_NAME_MAX + 8];
    char what[TEXT_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    snprintf(who, sizeof(who), "%s > %s ", from, to);
    add_line(golden, now, who, what);
}

/* ---- Parts of a line ---- */

struct words {
    char text[TEXT_MAX];
    size_t length;
};

static void say(struct words *words, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct words *words, const char *format, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(words->text + words->length, sizeof(words->text) - words->length, format,
                       arguments);
    va_end(arguments);
    if (length > 0)
        words->length += (size_t)length;
    if (words->length >= sizeof(words->text))
        words->length = sizeof(words->text) - 1;
}

static void say_grace(struct words *words, uint64_t grace, uint8_t unit)
{
    if (unit == SP_GRACE_ALLOCATIONS)
        say(words, " within %llu allocations", (unsigned long long)grace);
    else
        say(words, " within %.3f s", (double)grace / 1e9);
}

static const char *state_name(uint8_t state)
{
    static const char *const names[SP_CONTRACT_STATES] = {
        [SP_CONTRACT_NONE] = "none",         [SP_CONTRACT_COUNTERED] = "countered",
        [SP_CONTRACT_ACTIVE] = "active",     [SP_CONTRACT_EXPIRED] = "expired",
        [SP_CONTRACT_RECALLED] = "recalled", [SP_CONTRACT_CLOSED] = "closed",
        [SP_CONTRACT_BREACHED] = "breached",
    };

    return state < SP_CONTRACT_STATES ? names[state] : "unknown";
}

static void say_offer(struct words *words, const struct physmem_effect *effect)
{
    static const char *const answers[SP_ANSWERS] = {"accepted", "countered", "refused"};
    const struct sp_offer *offer = &effect->offer.offer;

    say(words, "%s", answers[offer->answer]);
    if (offer->answer != SP_REFUSED)
        say(words, " contract %u: %s %u, %s", offer->contract, terms_text_kind(offer->terms.kind),
            offer->terms.frames, state_name(effect->offer.state));
    if (offer->answer != SP_ACCEPTED)
        say(words, " (%s)", print_reason_text(offer->reason));
    if (offer->answer == SP_REFUSED && offer->retry_ns > 0)
        say(words, ", again in %.3f s", (double)offer->retry_ns / 1e9);
}

static void say_changed(struct words *words, const struct physmem_effect *effect)
{
    say(words, "contract %u is %s", effect->changed.contract, state_name(effect->changed.state));
    if (effect->changed.part != 0)
        say(words, ", part %u", effect->changed.part);
    say(words, ", %u frames (%s)", effect->changed.frames, print_reason_text(effect->changed.why));
}

static void say_notice(struct words *words, const struct physmem_effect *effect)
{
    switch (effect->notice.what) {
    case PHYSMEM_EXPIRING:
        say(words, "contract %u expires soon", effect->notice.contract);
        break;
    case PHYSMEM_EXPIRED:
        say(words, "contract %u has expired", effect->notice.contract);
        break;
    default:
        say(words, "extra frames are there again");
        break;
    }
}

/* ---- Effects ---- */

static void say_reply(struct words *words, const struct physmem_effect *effect)
{
    if (effect->error != 0) {
        say(words, "error: %s", effect->text != NULL ? effect->text : strerror((int)effect->error));
        return;
    }
    switch ((int)effect->kind) {
    case PHYSMEM_REPLY_DONE:
        say(words, "done %u", effect->count);
        break;
    case PHYSMEM_REPLY_ALLOCATED:
        say(words, "allocated %u", effect->allocated.count);
        break;
    case PHYSMEM_REPLY_MAPPED:
        say(words, "mapped in %u pieces", effect->mapped.count);
        break;
    case PHYSMEM_REPLY_CONTAINER:
        say(words, "container %u", effect->container.container);
        break;
    case PHYSMEM_REPLY_PART:
        say(words, "part %u of contract %u: %u frames, %u are left", effect->part.part.part,
            effect->part.part.contract, effect->part.part.frames, effect->part.part.left);
        break;
    case PHYSMEM_REPLY_STACK:
        say(words, "frame stack of %u places", effect->stack.places);
        break;
    case PHYSMEM_REPLY_OFFER:
        say_offer(words, effect);
        break;
    }
}

/* What is sent over the control connection without having been asked for; nothing for what is no
 * message. */
static void say_sent(struct words *words, const struct physmem_effect *effect)
{
    switch ((int)effect->kind) {
    case PHYSMEM_SEND_RECALL:
        say(words, "recall %u", effect->recall.frames);
        say_grace(words, effect->recall.grace, effect->recall.unit);
        say(words, "%s", effect->recall.may_clean ? ", may clean" : "");
        break;
    case PHYSMEM_SEND_UNMAP:
        say(words, "unmap %u from %u", effect->unmap.range.count, effect->unmap.range.start);
        break;
    case PHYSMEM_SEND_NOTICE:
        say_notice(words, effect);
        break;
    case PHYSMEM_SEND_CHANGED:
        say_changed(words, effect);
        break;
    case PHYSMEM_SEND_WARNED:
        say(words, "warned: %u are missing, charged %llu, %u misses more", effect->warned.missing,
            (unsigned long long)effect->warned.charged, effect->warned.left);
        say_grace(words, effect->warned.grace, effect->warned.unit);
        break;
    case PHYSMEM_SEND_REPOSSESSED:
        say(words, "repossessed %u", effect->repossessed.frames);
        break;
    case PHYSMEM_SEND_REVOKED:
        say(words, "revoked: %u of %u are missing, %u are lost (%s)", effect->revoked.missing,
            effect->revoked.asked, effect->revoked.lost, print_reason_text(effect->revoked.reason));
        break;
    case PHYSMEM_CLOSE_CONTROL:
        say(words, "closes the control connection");
        break;
    case PHYSMEM_KILL:
        say(words, "SIGKILL");
        break;
    }
}

static bool is_availability(const struct physmem_effect *effect)
{
    return effect->kind == PHYSMEM_REPLY_AVAILABILITY || effect->kind == PHYSMEM_SEND_AVAILABILITY;
}

/* Messages to the policy server. */
static void say_ring(struct words *words, uint32_t ring)
{
    say(words, "ring:%s%s%s", (ring & PHYSMEM_RING_TASK) != 0 ? " tasks" : "",
        (ring & PHYSMEM_RING_WANT) != 0 ? " wants" : "",
        (ring & PHYSMEM_RING_SHORT) != 0 ? " shortage" : "");
}

void golden_effect(struct golden *golden, uint64_t now, const struct physmem_effect *effect)
{
    const char *to = effect->task != NULL ? physmem_task_identity(effect->task)->name : "policy";
    struct words words = {.length = 0};

    if (is_availability(effect))
        say(&words, "available %u, held %u, pressure %u", effect->availability.available,
            effect->availability.held, effect->availability.pressure);
    else if (effect->kind <= PHYSMEM_REPLY_OFFER)
        say_reply(&words, effect);
    else if (effect->kind == PHYSMEM_POLICYSERVER_RING)
        say_ring(&words, effect->ring);
    else
        say_sent(&words, effect);
    if (words.length > 0)
        golden_say(golden, now, "physmem", to, "%s", words.text);
}

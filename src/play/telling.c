#include "play/telling.h"

#include <stdint.h>

#include "base/assert.h"

const char *telling_of_event(const struct queue_entry *entry)
{
    static const char *const words[SCENE_EVENTS] = {
        [SCENE_START] = "begins",
        [SCENE_STOP] = "is asked to end",
        [SCENE_THREAD] = "its program goes on",
        [SCENE_CONTROL] = "its control thread looks what there is to do",
        [SCENE_TO_PHYSMEM] = "physmem hears",
        [SCENE_FROM_PHYSMEM] = "physmem has sent",
        [SCENE_TO_SWAP] = "swap hears of",
        [SCENE_DEVICE_STORED] = "its pages are written",
        [SCENE_DEVICE_LOADED] = "its pages are read",
        [SCENE_FROM_SWAP] = "swap has done",
        [SCENE_CUT] = "hears that a server has ended",
        [SCENE_FAULT] = "a fault strikes",
        [SCENE_RELIEF] = "a fault ends",
        [SCENE_POLICY] = "the policy server",
        [SCENE_OTHER] = "an event of the scenario",
        [SCENE_TURNS] = "swap looks whose pages are moved next",
        [SCENE_UP] = "a physmem hears of one that rests on it",
        [SCENE_DOWN] = "a physmem hears of the one above it",
        [SCENE_LOST] = "a physmem that has lost everything ends",
        [SCENE_TICK] = "a deadline of physmem's has passed",
        [SCENE_TO_FILES] = "the file server hears",
        [SCENE_FROM_FILES] = "the file server has answered",
        [SCENE_FILES] = "the file server goes on",
    };

    ensure(entry->kind < SCENE_EVENTS && words[entry->kind] != NULL);
    return words[entry->kind];
}

static const char *word_of_effect(const struct physmem_effect *effect)
{
    switch ((int)effect->kind) {
    case PHYSMEM_REPLY_ALLOCATED:
        return "frames";
    case PHYSMEM_REPLY_MAPPED:
        return "rights to frames";
    case PHYSMEM_REPLY_PART:
        return "a part of a contract";
    case PHYSMEM_REPLY_OFFER:
        return "an offer";
    case PHYSMEM_SEND_RECALL:
        return "a recall";
    case PHYSMEM_SEND_UNMAP:
        return "an unmap";
    case PHYSMEM_SEND_NOTICE:
        return "a notice";
    case PHYSMEM_SEND_CHANGED:
        return "a change of a contract";
    case PHYSMEM_SEND_REPOSSESSED:
        return "a repossession";
    case PHYSMEM_SEND_REVOKED:
        return "a revocation";
    default:
        return "an answer";
    }
}

const char *telling_of_letter(const struct queue_entry *entry)
{
    static const char *const letters[] = {
        [LETTER_CONTAINER] = "a container is asked for",
        [LETTER_STACK] = "a frame stack is asked for",
        [LETTER_PROPOSE] = "a contract is proposed",
        [LETTER_ACCEPT] = "a counter-offer is accepted",
        [LETTER_RENEW] = "a contract is renewed",
        [LETTER_ALLOCATE] = "frames are asked for",
        [LETTER_MAP] = "rights are asked for",
        [LETTER_DEALLOCATE] = "frames come back",
        [LETTER_UNMAPPED] = "an unmap is answered",
        [LETTER_BYE] = "its connections have ended",
        [LETTER_SHARE] = "a container is shared with the file server",
        [LETTER_DESTROY] = "a container is given up",
        [LETTER_UNMAP_OWN] = "rights are given up",
        [LETTER_READ] = "a part of a file is asked for",
        [LETTER_EXCHANGE] = "frames are moved",
        [LETTER_SPLIT] = "a part of a contract is split off",
        [LETTER_CLAIM] = "a part of a contract is claimed",
    };
    const struct letter *letter = (const struct letter *)(uintptr_t)entry->value[0];

    if (entry->kind == SCENE_TO_PHYSMEM || entry->kind == SCENE_TO_FILES)
        return letters[letter->kind];
    if (entry->kind == SCENE_FROM_PHYSMEM)
        return word_of_effect(&letter->said.effect);
    if (entry->kind == SCENE_TO_SWAP || entry->kind == SCENE_FROM_SWAP)
        return letter->swap.loads > 0 ? "loads" : "stores";
    return NULL;
}

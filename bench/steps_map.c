/* Mapping a slot at physmem, for bench/instructions to count the instructions of: `bench_steps_map
 * COUNT` asks the physmem that SELFPAGE_PHYSMEM names COUNT times to map one slot. Exit status: 0
 * done, 2 not. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>

#include "common.h"
#include "peer.h"

#define SLOTS 256u

int main(int argc, char **argv)
{
    static const struct bench_about about = {.name = "bench_steps_map"};
    static struct bench bench = {.about = &about};
    static struct peer peer;
    const char *physmem = getenv("SELFPAGE_PHYSMEM");
    int count = argc == 2 ? atoi(argv[1]) : 0;
    uint32_t container;

    if (count <= 0 || physmem == NULL)
        errx(2, "usage: SELFPAGE_PHYSMEM=SOCKET bench_steps_map COUNT");
    snprintf(bench.directory.physmem, sizeof(bench.directory.physmem), "%s", physmem);
    peer_open(&bench, &peer);
    container = peer_contract(&bench, &peer, SLOTS, SLOTS);
    peer_allocate(&bench, &peer, container, 0, SLOTS, true);
    for (int i = 0; i < count; i++)
        if (peer_map(&bench, &peer, container, (uint32_t)i % SLOTS, 1) != 1)
            errx(2, "physmem did not map a slot");
    peer_close(&peer);
    return 0;
}

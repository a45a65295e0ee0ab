/* References for tests of the laboratory: skewed, with scans, a quarter of them writes. */
#ifndef TEST_REFERENCES_H
#define TEST_REFERENCES_H

#include <stdint.h>

#include <selfpage/replay.h>

#define REFERENCES 40000u
#define PAGES      1000u

struct references {
    uint64_t ids[REFERENCES];
    uint8_t writes[REFERENCES];
};

static inline uint64_t references_draw(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

static inline void references_make(struct references *references, uint64_t seed)
{
    for (uint32_t i = 0; i < REFERENCES; i++) {
        uint64_t a = references_draw(&seed) % PAGES, b = references_draw(&seed) % PAGES;
        uint64_t page = i % 4000 < 500 ? i % PAGES : a * b / PAGES;

        references->ids[i] = page * UINT64_C(0x9e3779b97f4a7c15); /* any 64 bits */
        references->writes[i] = references_draw(&seed) % 4 == 0;
    }
}

#endif

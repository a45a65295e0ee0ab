/* Hill climbing: a size goes on in one direction as long as that brings hits, by steps that become smaller.
 *
 * G. Einziger, O. Eytan, R. Friedman and B. Manes, "Adaptive software cache management", Middleware 2018, with the
 * settings of Caffeine's SimpleClimber. A sample is ten references a frame. If its share of hits is less than that of the sample
 * before, the direction turns; if it differs by a twentieth or more the steps begin anew, at a sixteenth of the frames.
 * With few frames the size grows first, steps shrink more slowly, and samples become longer as they do. */
#ifndef POLICY_CLIMBER_H
#define POLICY_CLIMBER_H

#include <stdbool.h>
#include <stdint.h>

struct climber {
    double step_first, step;
    uint64_t sample_first, sample; /* references */
    uint64_t references, hits;     /* of this sample */
    double hit_ratio;              /* of the one before */
    bool grows;
    bool few; /* frames */
};

void climber_init(struct climber *climber, uint32_t frames);

/* Count a reference. True if the sample is over. */
bool climber_count(struct climber *climber, bool hit);

/* Begin the next sample. Returns by how many frames, maybe not whole, the size should change. */
double climber_step(struct climber *climber);

#endif

#include "policy/climber.h"

/* Of the frames, and at least in frames. */
#define STEP_SHARE 0.0625
#define STEP_LEAST 2.0

#define SAMPLE_SHARE 10u

/* A change of the share of hits that begins the steps anew. */
#define RESTART 0.05

/* Few frames, and what is different with them. */
#define FEW         512u
#define SHRINK      0.98
#define SHRINK_FEW  0.995
#define LONGER_MOST 4.0

void climber_init(struct climber *climber, uint32_t frames)
{
    double step = STEP_SHARE * frames;

    *climber = (struct climber){.step_first = step > STEP_LEAST ? step : STEP_LEAST,
                                .sample_first = (uint64_t)SAMPLE_SHARE * frames,
                                .few = frames <= FEW};
    climber->step = climber->step_first;
    climber->sample = climber->sample_first;
    climber->grows = climber->few;
}

bool climber_count(struct climber *climber, bool hit)
{
    climber->hits += hit;
    return ++climber->references >= climber->sample;
}

/* Samples are as much longer as steps are smaller, within a bound. */
static uint64_t sample_few(const struct climber *climber)
{
    double longer = climber->step_first / climber->step;

    if (longer < 1)
        longer = 1;
    return (uint64_t)((double)climber->sample_first *
                      (longer < LONGER_MOST ? longer : LONGER_MOST));
}

double climber_step(struct climber *climber)
{
    double ratio = (double)climber->hits / (double)climber->references;
    double change = ratio - climber->hit_ratio, by;

    if (change < 0)
        climber->grows = !climber->grows;
    if (change >= RESTART || change <= -RESTART) {
        climber->step = climber->step_first;
        climber->sample = climber->sample_first;
    }
    by = climber->grows ? climber->step : -climber->step;
    climber->step *= climber->few ? SHRINK_FEW : SHRINK;
    if (climber->few)
        climber->sample = sample_few(climber);
    climber->hit_ratio = ratio;
    climber->references = climber->hits = 0;
    return by;
}

#include "selfpage/bench/fair.h"

#define HALVINGS 80

static double sum_at(const uint32_t *demand, const uint32_t *weight, uint32_t tasks, double level)
{
    double sum = 0;

    for (uint32_t i = 0; i < tasks; i++)
        sum += demand[i] < weight[i] * level ? demand[i] : weight[i] * level;
    return sum;
}

void fair_shares(const uint32_t *demand, const uint32_t *weight, uint32_t tasks, uint32_t frames,
                 double *share)
{
    double low = 0, high = UINT32_MAX;

    if (sum_at(demand, weight, tasks, high) <= frames)
        low = high;
    for (int i = 0; i < HALVINGS && low < high; i++) {
        double middle = low + (high - low) / 2;

        if (sum_at(demand, weight, tasks, middle) <= frames)
            low = middle;
        else
            high = middle;
    }
    for (uint32_t i = 0; i < tasks; i++)
        share[i] = demand[i] < weight[i] * low ? demand[i] : weight[i] * low;
}

double fair_index(const uint32_t *held, const uint32_t *demand, const double *share, uint32_t tasks)
{
    double sum = 0, squares = 0;
    uint32_t counted = 0;

    for (uint32_t i = 0; i < tasks; i++) {
        double part;

        if (share[i] <= 0)
            continue;
        part = (held[i] < demand[i] ? held[i] : demand[i]) / share[i];
        sum += part;
        squares += part * part;
        counted++;
    }
    return squares > 0 ? sum * sum / (counted * squares) : 1;
}

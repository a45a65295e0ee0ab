#include "selfpage/scenario/figure.h"

#include <math.h>

#include "expression/expression.h"

uint32_t figure_bars(const struct scenario *scenario)
{
    return scenario->figure != NULL ? scenario->figure->bars_count : 0;
}

double figure_value(const struct outcome *outcome, uint32_t bar)
{
    struct expression_names names = outcome_names(outcome);
    struct sp_error error;
    double value;

    if (expression_value(outcome->scenario->figure->bars[bar].value, &names, false, &value,
                         &error) != 0)
        return NAN;
    return isfinite(value) ? value : NAN;
}

double figure_published(const struct scenario_bar *bar, uint64_t combination)
{
    uint64_t place = bar->published_count == 1 ? 0 : combination;
    struct sp_error error;
    double value;

    if (place >= bar->published_count ||
        expression_value(bar->published[place], NULL, false, &value, &error) != 0)
        return NAN;
    return value;
}

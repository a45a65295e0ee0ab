/* The exponential function for policies that learn: the same on every machine, which that of libm need not
 * be. */
#ifndef POLICY_EXPONENTIAL_H
#define POLICY_EXPONENTIAL_H

/* e^x by its series, of x / 64 and then squared six times: the same on every machine. For x from
 * -64 to 64. What comes behind a term that changes nothing changes nothing either. */
static inline double exponential(double x)
{
    double term = 1, sum = 1, before = 0;

    x /= 64;
    for (int i = 1; i < 20 && sum != before; i++) {
        term *= x / i;
        before = sum;
        sum += term;
    }
    for (int i = 0; i < 6; i++)
        sum *= sum;
    return sum;
}

#endif

/* The exponential function for policies that learn: the same on every machine, which that of libm need not
 * be. */
#ifndef POLICY_EXPONENTIAL_H
#define POLICY_EXPONENTIAL_H

/* e^x by its series, of x / 64 and then squared six times: the same on every machine. For x from
 * -64 to 64. */
static inline double exponential(double x)
{
    double term = 1, sum = 1;

    x /= 64;
    for (int i = 1; i < 20; i++) {
        term *= x / i;
        sum += term;
    }
    for (int i = 0; i < 6; i++)
        sum *= sum;
    return sum;
}

#endif

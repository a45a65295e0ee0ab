/* Whether the load goes well, and what of it is measured. */
#include "selfpage/bench/load.h"

#include <stdarg.h>
#include <stdio.h>

#include "os/clock.h"

void bench_meter_fail(struct bench_load *load, const char *format, ...)
{
    va_list arguments;

    if (load->failed)
        return;
    load->failed = true;
    va_start(arguments, format);
    vsnprintf(load->error.text, sizeof(load->error.text), format, arguments);
    va_end(arguments);
    uv_stop(&load->loop);
}

bool bench_meter_is_on(const struct bench_load *load, uint64_t when)
{
    return when >= load->measure_from && when < load->measure_until;
}

void bench_meter_record(struct bench_load *load, struct histogram *histogram, uint64_t ns)
{
    if (bench_meter_is_on(load, clock_now_ns()))
        histogram_record(histogram, ns);
}

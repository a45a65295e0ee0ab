/* The command line of `selfpage faults`. */
#ifndef SELFPAGE_FAULTS_OPTIONS_H
#define SELFPAGE_FAULTS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "os/options.h"

struct faults_options {
    char **program;    /* and its arguments, NULL-terminated; NULL: none is started */
    const char *from;  /* tables that are there already; NULL: those of the program */
    const char *keep;  /* where the program's tables stay; NULL: nowhere */
    const char *hints; /* a file to write; NULL: none */
    const char *contract;
    const char *policy;
    uint32_t frames;
    uint32_t swap_slots;
    uint32_t lines;
    bool json;
    bool own_servers; /* something was said about them */
};

/* argv[0] is "faults"; strings point into it. */
enum options_verdict faults_options_parse(int argc, char **argv, struct faults_options *options,
                                          struct sp_error *error);

#endif

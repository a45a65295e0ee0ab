/* The trace formats, in the order in which their contents are told apart: those that say most clearly
 * what they are come first.
 *
 * HOW DO I ADD A TRACE FORMAT? Write src/trace/format_NAME.c, which defines the constant struct
 * trace_format `format_NAME` (trace/format.h says what each member does; format_text.c is the
 * shortest example), and add the line X(NAME) below. Everything else follows from these two:
 * the build, --format and its messages, the help of `replay`, and the formats that `convert` reads and
 * writes. A line without its file fails to build, and a file without its line fails the test
 * trace_foreign. */
#ifndef TRACE_FORMATS_H
#define TRACE_FORMATS_H

/* clang-format off */
#define TRACE_FORMATS(X) \
    X(native) \
    X(dense) \
    X(lcs) \
    X(vscsi) \
    X(oracle) \
    X(lackey) \
    X(csv) \
    X(text) \
    X(binary) \
    X(twr)
/* clang-format on */

#endif

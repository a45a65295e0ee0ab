/* The trace formats, in the order in which their contents are told apart: those that say most clearly
 * what they are come first.
 *
 * HOW DO I ADD A TRACE FORMAT? Write src/trace/format_NAME.c, which defines the constant struct
 * trace_format `format_NAME` (trace/format.h says what each member does; format_text.c is the
 * shortest example), and add the line FORMAT(NAME) below. Everything else follows from these two:
 * the build, --format and its messages, the help of `replay` and `convert`, the formats that
 * `convert` writes, and the tests of all formats. A file without its line, or a line without its
 * file, fails to build. */
FORMAT(native)
FORMAT(vscsi)
FORMAT(oracle)
FORMAT(lackey)
FORMAT(csv)
FORMAT(text)

/* The parts of a page that are the same in every report, built in. */
#ifndef SELFPAGE_REPORT_PARTS_H
#define SELFPAGE_REPORT_PARTS_H

extern const char parts_style[];
extern const char parts_script[];
extern const char parts_chart[];   /* Chart.js, or a comment */
extern const char parts_licence[]; /* of Chart.js */

#endif

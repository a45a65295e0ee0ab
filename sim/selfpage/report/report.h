/* `selfpage report`. */
#ifndef SELFPAGE_REPORT_REPORT_H
#define SELFPAGE_REPORT_REPORT_H

/* `selfpage report ...`; argv[0] is "report". Returns the exit status. */
int report_command(int argc, char **argv);

#endif

/* Runs the program `oms` within the test's process. Thread: the test's. */
#ifndef OMS_TEST_LIB_CLI_RUN_H
#define OMS_TEST_LIB_CLI_RUN_H

#include <stddef.h>

/* words: what stands behind `oms`, separated by spaces, less than 512 bytes. What it prints to both
 * outputs goes to text, cut at cap; gives back the exit code. */
int cli_run(char *text, size_t cap, const char *words);

#endif

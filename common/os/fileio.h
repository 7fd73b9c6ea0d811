/*
 * Reading and writing whole ranges of a file, however many calls the system takes for it. Thread:
 * any; the file's own offset is not used.
 */
#ifndef OMS_COMMON_OS_FILEIO_H
#define OMS_COMMON_OS_FILEIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* n bytes from offset `at`; *got is less where the file ends before. False: errno says why. */
bool file_read_at(int fd, void *p, size_t n, uint64_t at, size_t *got);
/* False: errno says why; some of the bytes may be there. */
bool file_write_at(int fd, const void *p, size_t n, uint64_t at);

#endif

/* A directory of a test's own under /tmp, removed with all in it. Single-threaded. */
#ifndef OMS_TEST_LIB_SCRATCH_DIR_H
#define OMS_TEST_LIB_SCRATCH_DIR_H

#include <stddef.h>

struct scratch_dir {
    char path[64];
};

void scratch_dir_make(struct scratch_dir *d);
void scratch_dir_remove(struct scratch_dir *d);
/* Names in path/sub that end in suffix, sorted; returns how many; the n-th (from 0; counted from
 * the end when negative) is copied with its path. */
size_t scratch_dir_files(const struct scratch_dir *d, const char *sub, const char *suffix, long nth,
                         char *path, size_t cap);

#endif

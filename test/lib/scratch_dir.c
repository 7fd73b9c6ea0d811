/* Test directories. See scratch_dir.h. */
#include "test/lib/scratch_dir.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/must.h"

void scratch_dir_make(struct scratch_dir *d)
{
    snprintf(d->path, sizeof d->path, "/tmp/oms-test-XXXXXX");
    must(mkdtemp(d->path) != NULL);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

void scratch_dir_remove(struct scratch_dir *d)
{
    must(strncmp(d->path, "/tmp/oms-test-", 14) == 0);
    must(nftw(d->path, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

size_t scratch_dir_files(const struct scratch_dir *d, const char *sub, const char *suffix, long nth,
                         char *path, size_t cap)
{
    struct dirent **list = NULL;
    char dir[128];
    size_t n = 0;
    int all;

    snprintf(dir, sizeof dir, "%s/%s", d->path, sub);
    all = scandir(dir, &list, NULL, alphasort);
    must(all >= 0);
    for (int pass = 0; pass < 2; pass++) { /* count, then choose */
        long at = 0, want = nth < 0 ? (long)n + nth : nth;

        for (int i = 0; i < all; i++) {
            size_t len = strlen(list[i]->d_name), end = strlen(suffix);

            if (len < end || strcmp(list[i]->d_name + len - end, suffix) != 0)
                continue;
            if (pass == 0)
                n++;
            else if (at++ == want && path)
                snprintf(path, cap, "%s/%s", dir, list[i]->d_name);
        }
    }
    for (int i = 0; i < all; i++)
        free(list[i]);
    free(list);
    return n;
}

#include "test/lib/cli_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cm/cli/cli.h"

int cli_run(char *text, size_t cap, const char *words)
{
    char copy[512], path[] = "/tmp/test_cli.XXXXXX";
    char *argv[32] = {(char *)"oms"};
    int argc = 1, fd = mkstemp(path), out = dup(1), err = dup(2), x;
    ssize_t n;

    snprintf(copy, sizeof copy, "%s", words);
    for (char *save = NULL, *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
        argv[argc++] = w;
    fflush(NULL);
    dup2(fd, 1);
    dup2(fd, 2);
    x = cli_main(argc, argv);
    fflush(NULL);
    dup2(out, 1);
    dup2(err, 2);
    close(out);
    close(err);
    n = pread(fd, text, cap - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    close(fd);
    unlink(path);
    return x;
}

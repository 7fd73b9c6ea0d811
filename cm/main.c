/* oms-cm: the cluster manager. All it does is in cm/cm.c and below. */
#include <stdio.h>
#include <string.h>

#include "cm/cm.h"

int main(int argc, char **argv)
{
    struct err e = ERR_INIT;

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        printf("usage: oms-cm --config FILE\n\nThe cluster manager. FILE is YAML; its keys are in "
               "docs/reference/files.md (CmConfig).\n");
        return 0;
    }
    if (argc != 3 || strcmp(argv[1], "--config") != 0) {
        fprintf(stderr, "usage: oms-cm --config FILE\n");
        return 2;
    }
    if (cm_run(argv[2], &e))
        return 0;
    fprintf(stderr, "oms-cm: %s: %s\n", err_name(e.code), e.message);
    return 1;
}

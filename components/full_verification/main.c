/* oms-full-verification: see verification.h. */
#include "components/full_verification/verification.h"

int main(int argc, char **argv)
{
    static const struct component_ops ops = {
        .kind = "full-verification",
        .summary = "compares source and target, table by table",
        .run = verification_run,
    };

    return component_main(&ops, argc, argv);
}

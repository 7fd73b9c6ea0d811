/* oms-full-import: see full_import.h. */
#include "components/full_import/full_import.h"

int main(int argc, char **argv)
{
    static const struct component_ops ops = {
        .kind = "full-import",
        .summary = "copies the rows that exist from a source to a target",
        .run = full_import_run,
    };

    return component_main(&ops, argc, argv);
}

/* oms-store: see pull.h and store.h. */
#include "components/store/ask.h"
#include "components/store/pull.h"

int main(int argc, char **argv)
{
    static const struct component_ops ops = {
        .kind = "store",
        .summary = "pulls one source's log and serves it to readers",
        .run = store_run,
        .ask = store_ask,
    };

    return component_main(&ops, argc, argv);
}

/*
 * Ends an nng socket without the risk of waiting for ever: nng_close of version 1.5 may hang when a
 * large message is half sent at that moment (its pipe then waits for a callback that never comes).
 * Private to common/rpc.
 */
#ifndef OMS_COMMON_RPC_CLOSE_H
#define OMS_COMMON_RPC_CLOSE_H

#include <nng/nng.h>

/* Closes the socket on a thread of its own and waits a moment for it; what hangs is left behind and
 * logged. to_free (may be NULL) is freed once nng calls nobody any more. No operation of the caller
 * is outstanding. Thread: any. */
void socket_end(nng_socket s, void *to_free);

#endif

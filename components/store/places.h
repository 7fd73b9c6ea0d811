/*
 * Which of a source's servers is read. The first that answers and is acceptable (A13) is; when it
 * fails, the next is tried at once, and after all of them were tried somebody waits, or stops. The
 * one that was read last is tried first. No I/O. Thread: the puller.
 */
#ifndef OMS_COMPONENTS_STORE_PLACES_H
#define OMS_COMPONENTS_STORE_PLACES_H

#include "components/endpoint/endpoint.h"

struct places {
    struct endpoint_address all;
    struct endpoint_address now; /* the one to read; without others */
    size_t at;                   /* its number */
    size_t failed;               /* so many in a row */
    struct err lasting;          /* why one of these will not do, whatever is waited for */
    struct err passing;          /* ... does not now */
};
enum places_answer {
    PLACES_NEXT, /* `now` is another one: try it at once */
    PLACES_WAIT, /* all were tried; *e says what is waited for */
    PLACES_STOP, /* *e says why */
};

void places_init(struct places *p, const struct endpoint_address *all);
/* Tries the next one first; false: it was the last. To find the one that was read before. */
bool places_pass(struct places *p);
/* The present one is read from now on. */
void places_good(struct places *p);
/* *e: why the present one cannot be read. A server that lacks what was pulled and will not get it
 * (ERR_SOURCE_DIVERGED) stops the round's end even where others may come back: history went on
 * there without those transactions. One that was read and left says nothing of that kind, it stood
 * still meanwhile (ERR_SOURCE_LEFT; left.h): the others are waited for. */
enum places_answer places_failed(struct places *p, struct err *e);

#endif

/*
 * A project's start (StartOptions) as an endpoint understands it. Pure.
 */
#ifndef OMS_COMPONENTS_RUNTIME_START_H
#define OMS_COMPONENTS_RUNTIME_START_H

#include "components/endpoint/endpoint.h"
#include "proto/files.pb-c.h"

/* Borrows the texts. NULL: the log's present end. */
bool start_at_of(const Oms__StartOptions *o, struct start_at *out, struct err *e) MUST_CHECK;

#endif

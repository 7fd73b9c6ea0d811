/*
 * Full-Import copies the rows that exist: by chunks of the row key for tables that have one, in one
 * consistent pass for those that have none, then creates the non-unique indexes. What is done is
 * kept on the target beside the rows (oms_meta.chunk, oms_meta.table_pos), so it goes on after any
 * crash. Run by component_main on its main thread.
 */
#ifndef OMS_COMPONENTS_FULL_IMPORT_FULL_IMPORT_H
#define OMS_COMPONENTS_FULL_IMPORT_FULL_IMPORT_H

#include "components/runtime/component.h"

bool full_import_run(struct component *c, struct err *e) MUST_CHECK;

#endif

/*
 * The ids of precheck items: what a project may name under skip_checks. `make lint` compares them
 * with those that the checks use. Pure.
 */
#ifndef OMS_COMMON_BASE_CHECK_TABLE_H
#define OMS_COMMON_BASE_CHECK_TABLE_H

#define CHECK_TABLE(X)                 \
    X("object.event")                  \
    X("object.routine")                \
    X("object.sequence")               \
    X("object.system_versioned")       \
    X("object.trigger")                \
    X("object.view")                   \
    X("pair.charset")                  \
    X("pair.clock")                    \
    X("pair.collation")                \
    X("pair.max_allowed_packet")       \
    X("pair.max_binlog_cache_size")    \
    X("pair.name_case")                \
    X("pair.same_server")              \
    X("pair.sql_mode")                 \
    X("pair.time_zone")                \
    X("scope.collision")               \
    X("scope.tables")                  \
    X("source.address")                \
    X("source.binlog_format")          \
    X("source.connect")                \
    X("source.gtid")                   \
    X("source.log_bin")                \
    X("source.log_filters")            \
    X("source.log_retention")          \
    X("source.privileges.monitor")     \
    X("source.privileges.partial")     \
    X("source.privileges.replication") \
    X("source.replica_log")            \
    X("source.row_image")              \
    X("source.row_metadata")           \
    X("source.row_value_options")      \
    X("source.server_id")              \
    X("source.start")                  \
    X("source.sync_binlog")            \
    X("source.version")                \
    X("source.xa")                     \
    X("store.disk")                    \
    X("table.cascades")                \
    X("table.convert")                 \
    X("table.converted")               \
    X("table.definition")              \
    X("table.engine")                  \
    X("table.hash_key")                \
    X("table.members")                 \
    X("table.key")                     \
    X("table.period")                  \
    X("table.select")                  \
    X("target.cascades")               \
    X("target.collation")              \
    X("target.connect")                \
    X("target.events")                 \
    X("target.privileges.kill")        \
    X("target.privileges.meta")        \
    X("target.privileges.write")       \
    X("target.read_only")              \
    X("target.records")                \
    X("target.table_empty")            \
    X("target.table_missing")          \
    X("target.table_shape")            \
    X("target.trigger_rights")         \
    X("target.triggers")               \
    X("target.unique_keys")            \
    X("target.version")

#endif

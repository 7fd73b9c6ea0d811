/*
 * The table of error codes: X(code, class, what it means, likely cause, what to do).
 * `oms explain CODE` and docs/reference/errors.md come from it. Append freely; keep groups
 * together.
 */
#ifndef OMS_COMMON_BASE_ERR_TABLE_H
#define OMS_COMMON_BASE_ERR_TABLE_H

#define ERR_TABLE(X)                                                                               \
    /* general */                                                                                  \
    X(INVALID, STOP, "a value that was given cannot be used", "a typo or a value out of range",    \
      "correct the value that the message names")                                                  \
    X(USAGE, STOP, "the command line cannot be understood",                                        \
      "a misspelt word or option, or one too many or missing",                                     \
      "see the command's --help; oms --help lists all")                                            \
    X(NOT_FOUND, STOP, "the named thing does not exist", "a misspelt name, or it was removed",     \
      "list what exists and use one of those names")                                               \
    X(EXISTS, STOP, "a thing of that name exists already", "it was created before",                \
      "choose another name, or remove the old one")                                                \
    X(WRONG_STATE, STOP, "the operation does not fit the present state",                           \
      "it was asked for too early, too late or twice", "look at the state and do what it allows")  \
    X(LIMIT, STOP, "something is larger than a limit allows", "unusual input, or a limit set low", \
      "raise the limit that the message names, or make the input smaller")                         \
    X(CORRUPT, STOP, "bytes do not have the form they must have",                                  \
      "damage on disk or on the way, or another version",                                          \
      "see the file and offset in the message")                                                    \
    X(SYSTEM, RETRY, "the operating system refused an operation", "see the reason in the message", \
      "remove the reason; the work is tried again")                                                \
    X(NO_SPACE, RETRY, "no space is left on the device", "the disk is full",                       \
      "make room; the work goes on by itself")                                                     \
    X(TIMEOUT, RETRY, "something did not answer in time", "overload, or the network",              \
      "nothing; it is tried again")                                                                \
    X(CANCELLED, RETRY, "the work was told to stop", "a stop was asked for", "nothing")            \
    X(UNAVAILABLE, RETRY, "a service cannot be reached now", "it is down, or the network is",      \
      "start it, or wait; it is tried again")                                                      \
    X(DENIED, STOP, "permission is missing", "a wrong token or missing rights",                    \
      "give the rights that the message names")                                                    \
    X(UNSUPPORTED, STOP, "this is not supported yet", "a feature outside what is built",           \
      "see docs for what is supported; leave the object out")                                      \
    X(BUG, BUG, "a program's own assumption failed", "a defect", "keep the logs and report it")    \
    /* control plane */                                                                            \
    X(NOT_LEADER, RETRY, "this CM does not lead now", "another CM leads, or none does yet",        \
      "nothing; the client goes to the leader")                                                    \
    X(METADB, RETRY, "MetaDB refused a statement of the CM",                                       \
      "see the server's text in the message",                                                      \
      "remove the reason on the MetaDB server; the CM loads its state again by itself")            \
    X(DUPLICATE_HOST, STOP, "two Supervisors use one host identity",                               \
      "a Supervisor's directory, or a whole machine, was copied",                                  \
      "stop one of them, remove its directory, and let it join as a new host")                     \
    X(PRECHECK_FAILED, STOP, "precheck found what keeps the project from being moved",             \
      "see the failed items of oms project show",                                                  \
      "follow each item's remedy, or skip those that may be skipped, then resume the project")     \
    X(COMPONENT_CRASHES, STOP, "a component ends again and again by a crash",                      \
      "a defect, or too little memory",                                                            \
      "see oms component logs, remove the cause, then resume the project")                         \
    /* source and target servers */                                                                \
    X(SERVER_UNREACHABLE, RETRY, "a database server cannot be reached, or the connection broke",   \
      "the server is down, the address is wrong, or the network is",                               \
      "check host, port and network; the work goes on by itself when the server answers")          \
    X(SERVER_DENIED, STOP, "a database server refused the user or a right",                        \
      "wrong user or password, or a missing privilege",                                            \
      "correct the data source or grant what the message names, then resume")                      \
    X(SERVER_BUSY, RETRY, "a database server could not do it now",                                 \
      "too many connections, a lock wait, a deadlock, or a killed statement",                      \
      "nothing; it is tried again; see the server's load if it stays")                             \
    X(SERVER_TLS, STOP, "TLS with a database server could not be set up as demanded",              \
      "the server has no TLS, or its certificate is not signed by the named authority",            \
      "correct tls and tls_ca_file of the data source, or the server's certificate")               \
    X(SERVER_REFUSED, STOP, "a database server refused a statement",                               \
      "see the server's own text and number in the message",                                       \
      "remove the reason that the server gives, then resume")                                      \
    X(SERVER_NO_OBJECT, STOP, "a database, table or column does not exist on the server",          \
      "it was dropped or renamed, or the name is misspelt",                                        \
      "restore the object, or take it out of the project's scope")                                 \
    X(SERVER_TABLE_CHANGED, RETRY, "a table changed its definition while it was being read",       \
      "a DDL ran on the source", "nothing; the table is read again")                               \
    X(SERVER_READ_ONLY, STOP, "a database server does not accept writes",                          \
      "read_only is on: it may be a replica", "give the address of a writable server")             \
    X(SERVER_KIND, STOP, "the server is not of the kind that the data source names",               \
      "kind is wrong, or the address is another server's", "correct kind or address")              \
    X(SERVER_POSITION, STOP, "the server cannot tell its position in its log",                     \
      "the binary log is off, or the right to see it is missing",                                  \
      "switch the binary log on; grant BINLOG MONITOR (REPLICATION CLIENT) to the user")           \
    /* target */                                                                                   \
    X(TARGET_SHAPE, STOP, "a table on the target has a shape that does not fit the source's",      \
      "it was made by hand, or by an older definition",                                            \
      "drop the table on the target, or change it as the message says, then resume")               \
    X(TARGET_CONFLICT, STOP, "the target already has a row that the source's row collides with",   \
      "the target was not empty, or somebody else writes to it",                                   \
      "remove the colliding rows, or empty the table, and resume the project")                     \
    X(TARGET_TXN_LIMIT, STOP,                                                                      \
      "a transaction of the source is larger than the target takes in one",                        \
      "the target's max_binlog_cache_size is smaller than the transaction",                        \
      "raise max_binlog_cache_size on the target and resume, or create the project with "          \
      "incremental.huge_transaction: split")                                                       \
    X(TARGET_CHANGED, STOP, "the target's address leads to another server than before",            \
      "the target failed over, was restored, or the address was changed",                          \
      "verify the data on that server; then empty target_uuid of the task in oms_meta.fence "      \
      "there, "                                                                                    \
      "and resume")                                                                                \
    X(TARGET_RESTARTED, RETRY, "the target's server was started again while it was written to",    \
      "a restart or a crash of the server", "nothing; the task takes over again from its rows")    \
    X(TARGET_NOT_EMPTY, STOP, "a target table that must be empty has rows",                        \
      "an earlier copy, or somebody else writes to it", "empty the table and resume the project")  \
    X(DDL_HELD, STOP, "a statement changed a table's definition on the source",                    \
      "somebody ran DDL on a table that the project moves",                                        \
      "make the change on the target by hand and choose done-by-hand; or choose skip, or "         \
      "copy-again")                                                                                \
    X(UNIQUE_KEY, STOP, "a unique key cannot be made on the target when the copy has ended",       \
      "the target's key is stricter than the source's or only there, and two rows have one "       \
      "value; "                                                                                    \
      "or a column of it is gone; or a right is missing",                                          \
      "remove what the message names (rows on the source, so that the change arrives), and "       \
      "choose "                                                                                    \
      "retry; or choose leave-off, which gives the key up")                                        \
    X(COPY_RUNS, RETRY, "a table's copy has not ended, and the changes wait for it",               \
      "a table is being copied again", "nothing; the changes go on when the copy has ended")       \
    X(IMAGE, RETRY,                                                                                \
      "a change within a table's copy lacks columns, and its row cannot be read again",            \
      "a session of the source with binlog_row_image MINIMAL or NOBLOB, and a row key that "       \
      "cannot be asked for by value, or a definition that was changed since",                      \
      "let every session log FULL images; choose copy-again in the incident")                      \
    X(NO_START, STOP, "the position where following the changes begins is not known",              \
      "the full copy left no record on the target, or the record was removed",                     \
      "run the full copy again; nothing was applied")                                              \
    X(START, STOP, "the source's log cannot be followed from the start that the project names",    \
      "it is purged, lies ahead, is no place between two transactions, or the target remembers "   \
      "another start of a project of this name",                                                   \
      "remove the project and create it with another incremental.start, one that the message "     \
      "allows; take the target's rows from a moment that lies behind it, where it must be later")  \
    /* a source's log */                                                                           \
    X(LOG_UNKNOWN_EVENT, STOP, "the source's log holds an event that is not known",                \
      "a newer server version, or a feature that is not supported yet",                            \
      "switch the feature off on the source if the message names one; report the event's bytes")   \
    X(LOG_DAMAGED, STOP, "the source's log has bytes that cannot be right",                        \
      "damage on the source's disk or on the way",                                                 \
      "resume once; if it stays, check the source's log with the server's own tool")               \
    X(LOG_LOST, STOP, "the source no longer has the part of its log that is needed",               \
      "it was purged, or the log was reset", "copy the tables again from the present position")    \
    X(LOG_ORDER, STOP, "a sequence number of the source's log does not grow",                      \
      "two servers wrote into one GTID domain, or the log was reset",                              \
      "give each writing server its own gtid_domain_id, then copy the tables again")               \
    X(LOG_DUPLICATE_READER, RETRY, "the source closed the log for another reader of our number",   \
      "another replica has the same server_id",                                                    \
      "nothing: another number is taken; if it stays, set store.server_id_from and _to")           \
    X(LOG_STATEMENT, STOP, "the source's log holds a change as a statement, not as rows",          \
      "binlog_format is not ROW in some session of the source",                                    \
      "set binlog_format=ROW for every session, then copy the tables again")                       \
    X(LOG_METADATA, STOP, "the log does not tell enough about a table to read its rows for sure",  \
      "binlog_row_metadata was not FULL when the rows were written",                               \
      "set binlog_row_metadata=FULL on the source, then copy the tables again")                    \
    X(LOG_XA, STOP, "an XA transaction commits whose rows came before the log that was read",      \
      "it was prepared before the project began",                                                  \
      "this is not supported yet: use ordinary transactions, then copy the tables again")          \
    X(LOG_ROLLBACK, STOP, "a transaction of the log was undone in part, and its rows cannot tell", \
      "tables with and without transactions were changed together",                                \
      "use transactional tables, then copy the tables again")                                      \
    /* store */                                                                                    \
    X(STORE_CORRUPT, STOP, "the store's log is damaged where it was durable",                      \
      "a failing disk, or somebody changed the files",                                             \
      "restore the disk; remove the store's directory to pull the log again, or release the "      \
      "project and copy again")                                                                    \
    X(STORE_POSITION, STOP,                                                                        \
      "the store no longer has, or never had, the log after a reader's position",                  \
      "the log was removed by the retention limit, or the store was made anew later than the "     \
      "copy",                                                                                      \
      "copy the tables again: release the project and create it anew")                             \
    X(STORE_REPEATED, STOP, "the source sent transactions that the store's log has already",       \
      "a source whose transaction numbers do not grow, or a defect",                               \
      "keep the logs and report it; release the project and copy again")                           \
    X(SOURCE_DIVERGED, STOP, "the source lacks transactions that the store has from it",           \
      "a failover that lost transactions, RESET MASTER, or a crash without sync_binlog=1",         \
      "compare source and target by verification; release the project and copy again")             \
    X(SOURCE_LEFT, STOP, "this server was read before another one took its place",                 \
      "it came back after a failover without what the other one has",                              \
      "bring the server that was read last back, or make this one a replica of it")                \
    X(COPY_PLACE, STOP, "positions of the copy are places in the log of another server",           \
      "without GTIDs another server took the source's place before the log had passed the end of " \
      "the copy",                                                                                  \
      "bring the server back from which was copied; or release the project, put the server that "  \
      "is read now first in the data source's addresses, and copy again")                          \
    X(SOURCE_BEHIND, RETRY, "the server does not have yet all that the store has",                 \
      "it is a replica that is behind the server that was followed before",                        \
      "nothing: it is tried again; where its replication is broken, mend it, or take the server "  \
      "from the data source's addresses")                                                          \
    /* fencing */                                                                                  \
    X(FENCED, FENCE, "another writer took over this task", "the task was started elsewhere",       \
      "nothing; this process must not write any more")                                             \
    X(REFUSED, FENCE, "the target refuses this epoch, or the task is sealed",                      \
      "a newer epoch exists, or the project was released",                                         \
      "nothing: what replaced this process goes on, and a released task stays shut; to move "      \
      "again "                                                                                     \
      "to this target, begin a project of another name")

#endif

/* What a plan says about one column; shared by rows_plan.c and rows_event.c. */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_BINLOG_ROWS_PRIV_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_BINLOG_ROWS_PRIV_H

#include "components/endpoint/mysql/binlog/rows_event.h"

enum rows_op {
    OP_NONE,
    OP_COPY1,
    OP_COPY2,
    OP_COPY4,
    OP_COPY8,
    OP_I24,
    OP_U24,
    OP_YEAR,
    OP_DATE,
    OP_DECIMAL,
    OP_TIMESTAMP2,
    OP_DATETIME2,
    OP_TIME2,
    OP_TIMESTAMP_OLD,
    OP_DATETIME_OLD,
    OP_TIME_OLD,
    OP_ENUM,
    OP_SET,
    OP_BIT,
    OP_BYTES,      /* length prefix of `prefix` bytes, then bytes */
    OP_BINARY,     /* the same, padded with zeros to len */
    OP_PADDED,     /* the same into a kind of fixed width */
    OP_COMPRESSED, /* the same, unpacked */
    OP_JSON,       /* the same, in MySQL's binary form */
};
#define VALUE_OPTION_PARTIAL_JSON 1

struct rows_step {
    uint8_t op;     /* enum rows_op */
    uint8_t prefix; /* bytes of a length prefix */
    uint8_t meta;   /* precision; fraction digits; bytes of ENUM, SET, BIT */
    uint8_t scale;
    uint16_t len;  /* padded length */
    uint16_t json; /* number among the JSON columns */
    bool is_blob;  /* may be missing from a NOBLOB image */
};

#endif

/*
 * Kinds of value: the one table between all endpoints. An endpoint maps its native types to kinds
 * and back; nothing maps a source's types to a target's. Canonical encoding: fixed-width kinds are
 * that many bytes, little endian; variable ones (width 0) are varint length + bytes. Pure.
 */
#ifndef OMS_COMPONENTS_RECORD_KIND_H
#define OMS_COMPONENTS_RECORD_KIND_H

#include <stdbool.h>
#include <stdint.h>

/*
 * X(name, text, width, what the canonical bytes are)
 * DATE       u32: year<<9 | month<<5 | day (zero and partly zero dates are values like others)
 * DATETIME   u64: ((year*13+month)<<5|day)<<17 | hour<<12 | minute<<6 | second, all <<24 |
 * microsecond
 *            -> bits: 24 us, 6 s, 6 min, 5 h, 5 day, rest year*13+month
 * TIME       i64: microseconds, signed
 * TIMESTAMP  i64: microseconds since the epoch, UTC; 0 is the zero date
 * DECIMAL    ASCII: optional '-', digits without leading zeros (at least one), and if scale > 0 '.'
 *            and exactly `scale` digits; zero has no sign
 * JSON       text as the source shows it (for MySQL's binary form: the server's own text form)
 * TEXT       bytes in the column's charset, unpadded; BINARY(n): exactly n bytes, padding restored
 */
#define KIND_TABLE(X)                                                           \
    X(I8, "i8", 1, "signed integer")                                            \
    X(U8, "u8", 1, "unsigned integer")                                          \
    X(I16, "i16", 2, "signed integer")                                          \
    X(U16, "u16", 2, "unsigned integer")                                        \
    X(I32, "i32", 4, "signed integer (also 24 bits)")                           \
    X(U32, "u32", 4, "unsigned integer (also 24 bits)")                         \
    X(I64, "i64", 8, "signed integer")                                          \
    X(U64, "u64", 8, "unsigned integer")                                        \
    X(FLOAT, "float", 4, "IEEE 754 single, by its bits")                        \
    X(DOUBLE, "double", 8, "IEEE 754 double, by its bits")                      \
    X(DECIMAL, "decimal", 0, "decimal text of exactly `scale` fraction digits") \
    X(YEAR, "year", 2, "year, 0 is the zero year")                              \
    X(DATE, "date", 4, "packed date")                                           \
    X(TIME, "time", 8, "signed microseconds")                                   \
    X(DATETIME, "datetime", 8, "packed date and time without zone")             \
    X(TIMESTAMP, "timestamp", 8, "microseconds since the epoch, UTC")           \
    X(BIT, "bit", 8, "up to 64 bits as an integer")                             \
    X(ENUM, "enum", 2, "index from 1; 0 is the empty error value")              \
    X(SET, "set", 8, "bit map of members")                                      \
    X(TEXT, "text", 0, "characters in the column's charset")                    \
    X(BINARY, "binary", 0, "fixed number of bytes")                             \
    X(BYTES, "bytes", 0, "bytes")                                               \
    X(JSON, "json", 0, "JSON text, utf8mb4")                                    \
    X(GEOMETRY, "geometry", 0, "u32 SRID + WKB")                                \
    X(VECTOR, "vector", 0, "float32 little endian, one after the other")        \
    X(UUID, "uuid", 16, "16 bytes in textual order")                            \
    X(INET4, "inet4", 4, "4 bytes, network order")                              \
    X(INET6, "inet6", 16, "16 bytes, network order")

#define KIND_ENUM_ROW(name, text, width, what) KIND_##name,
enum kind { KIND_TABLE(KIND_ENUM_ROW) KIND_COUNT };
#undef KIND_ENUM_ROW

const char *kind_name(enum kind k);
bool kind_from_name(const char *text, enum kind *k);
/* Bytes of the canonical encoding; 0 = variable. */
extern const uint8_t kind_width[KIND_COUNT];

#endif

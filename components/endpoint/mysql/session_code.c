/*
 * What the numbers of servers and of the client library mean for us. Unknown ones are
 * SERVER_REFUSED, with the server's own text. Pure.
 */
#include "common/base/must.h"
#include "components/endpoint/mysql/session.h"

struct errno_code {
    unsigned number;
    enum err_code code;
};

/* The client library's numbers begin at 2000; the rest are the servers'. */
static const struct errno_code errno_codes[] = {
    {2001, ERR_SERVER_UNREACHABLE}, {2002, ERR_SERVER_UNREACHABLE},
    {2003, ERR_SERVER_UNREACHABLE}, {2004, ERR_SERVER_UNREACHABLE},
    {2005, ERR_SERVER_UNREACHABLE}, {2006, ERR_SERVER_UNREACHABLE},
    {2012, ERR_SERVER_UNREACHABLE}, {2013, ERR_SERVER_UNREACHABLE},
    {2055, ERR_SERVER_UNREACHABLE}, {5014, ERR_SERVER_UNREACHABLE},
    {1042, ERR_SERVER_UNREACHABLE}, {1053, ERR_SERVER_UNREACHABLE},
    {1077, ERR_SERVER_UNREACHABLE}, {1079, ERR_SERVER_UNREACHABLE},
    {1152, ERR_SERVER_UNREACHABLE}, {1158, ERR_SERVER_UNREACHABLE},
    {1159, ERR_SERVER_UNREACHABLE}, {1160, ERR_SERVER_UNREACHABLE},
    {1161, ERR_SERVER_UNREACHABLE}, {1184, ERR_SERVER_UNREACHABLE},
    {1927, ERR_SERVER_UNREACHABLE}, {4031, ERR_SERVER_UNREACHABLE},
    {3169, ERR_SERVER_UNREACHABLE}, {2026, ERR_SERVER_TLS},
    {3159, ERR_SERVER_TLS},         {1044, ERR_SERVER_DENIED},
    {1045, ERR_SERVER_DENIED},      {1095, ERR_SERVER_DENIED},
    {1129, ERR_SERVER_DENIED},      {1130, ERR_SERVER_DENIED},
    {1141, ERR_SERVER_DENIED},      {1142, ERR_SERVER_DENIED},
    {1143, ERR_SERVER_DENIED},      {1227, ERR_SERVER_DENIED},
    {1251, ERR_SERVER_DENIED},      {1370, ERR_SERVER_DENIED},
    {1698, ERR_SERVER_DENIED},      {1820, ERR_SERVER_DENIED},
    {1862, ERR_SERVER_DENIED},      {2059, ERR_SERVER_DENIED},
    {3118, ERR_SERVER_DENIED},      {4151, ERR_SERVER_DENIED},
    {1040, ERR_SERVER_BUSY},        {1203, ERR_SERVER_BUSY},
    {1205, ERR_SERVER_BUSY},        {1213, ERR_SERVER_BUSY},
    {1226, ERR_SERVER_BUSY},        {1317, ERR_SERVER_BUSY},
    {1614, ERR_SERVER_BUSY},        {1969, ERR_SERVER_BUSY},
    {3024, ERR_SERVER_BUSY},        {3572, ERR_SERVER_BUSY},
    {1020, ERR_SERVER_BUSY},        {1037, ERR_SERVER_BUSY},
    {1038, ERR_SERVER_BUSY},        {1041, ERR_SERVER_BUSY},
    {1135, ERR_SERVER_BUSY},        {1206, ERR_SERVER_BUSY},
    {3032, ERR_SERVER_BUSY},        {1021, ERR_NO_SPACE},
    {1114, ERR_NO_SPACE},           {1028, ERR_NO_SPACE},
    {1049, ERR_SERVER_NO_OBJECT},   {1051, ERR_SERVER_NO_OBJECT},
    {1054, ERR_SERVER_NO_OBJECT},   {1109, ERR_SERVER_NO_OBJECT},
    {1146, ERR_SERVER_NO_OBJECT},   {1932, ERR_SERVER_NO_OBJECT},
    {1197, ERR_TARGET_TXN_LIMIT},   {1412, ERR_SERVER_TABLE_CHANGED},
    {1290, ERR_SERVER_READ_ONLY},   {1792, ERR_SERVER_READ_ONLY},
    {1836, ERR_SERVER_READ_ONLY},
};

enum err_code session_code(unsigned server_errno)
{
    for (size_t i = 0; i < ARRAY_LEN(errno_codes); i++)
        if (errno_codes[i].number == server_errno)
            return errno_codes[i].code;
    return ERR_SERVER_REFUSED;
}

enum target_pressure session_pressure(unsigned server_errno)
{
    static const unsigned ordinary[] = {1020, 1213, 1317, 1614, 3572};
    enum err_code code = session_code(server_errno);

    for (size_t i = 0; i < ARRAY_LEN(ordinary); i++)
        if (ordinary[i] == server_errno)
            return TARGET_DEADLOCK;
    return code == ERR_SERVER_BUSY || code == ERR_NO_SPACE ? TARGET_PRESSED : TARGET_CALM;
}

bool session_is_lost(unsigned server_errno)
{
    return session_code(server_errno) == ERR_SERVER_UNREACHABLE;
}

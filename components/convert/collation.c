/* Collations of one family beside those of the other (translate.h): both follow the Unicode
 * Collation Algorithm, MySQL in version 9.0 and MariaDB in version 14.0, for the same languages. */
#include <stdio.h>
#include <string.h>

#include "components/convert/translate.h"

struct language {
    const char *mysql, *mariadb;
};
static const struct language languages[] = {
    {"cs", "czech"},     {"da", "danish"},        {"de_pb", "german2"}, {"eo", "esperanto"},
    {"es", "spanish"},   {"es_trad", "spanish2"}, {"et", "estonian"},   {"hr", "croatian"},
    {"hu", "hungarian"}, {"is", "icelandic"},     {"la", "roman"},      {"lt", "lithuanian"},
    {"lv", "latvian"},   {"pl", "polish"},        {"ro", "romanian"},   {"sk", "slovak"},
    {"sl", "slovenian"}, {"sv", "swedish"},       {"tr", "turkish"},    {"vi", "vietnamese"},
};

static const char mysql_infix[] = "0900_";
static const char mariadb_prefix[] = "utf8mb4_uca1400_";

/* "utf8mb4_[LANGUAGE_]0900_SENSITIVITY" */
static const char *to_mariadb(const char *name, char out[64], bool *nearest)
{
    const char *at = strncmp(name, "utf8mb4_", 8) == 0 ? strstr(name, mysql_infix) : NULL;
    const char *language = "";

    if (!at)
        return name;
    size_t n = (size_t)(at - name - 8); /* with its underscore */
    for (size_t i = 0; i < sizeof languages / sizeof languages[0] && n > 1; i++)
        if (strlen(languages[i].mysql) == n - 1 &&
            strncmp(languages[i].mysql, name + 8, n - 1) == 0)
            language = languages[i].mariadb;
    const char *sensitivity = at + strlen(mysql_infix);
    if (strcmp(sensitivity, "bin") == 0)
        return "utf8mb4_nopad_bin"; /* the same order and equality */
    *nearest = true;
    if (strcmp(sensitivity, "as_cs_ks") == 0)
        sensitivity = "as_cs";
    (void)snprintf(out, 64, "%s%s%snopad_%s", mariadb_prefix, language, language[0] ? "_" : "",
                   sensitivity);
    return out;
}

/* "utf8mb4_uca1400_[LANGUAGE_][nopad_]SENSITIVITY", also without its charset's name. */
static const char *to_mysql(const char *name, char out[64], bool *nearest)
{
    const char *at = strstr(name, "uca1400_");
    const char *language = "";

    if (strcmp(name, "utf8mb4_nopad_bin") == 0)
        return "utf8mb4_0900_bin";
    if (!at)
        return name;
    *nearest = true;
    at += strlen("uca1400_");
    for (size_t i = 0; i < sizeof languages / sizeof languages[0]; i++) {
        size_t n = strlen(languages[i].mariadb);
        if (strncmp(at, languages[i].mariadb, n) == 0 && at[n] == '_') {
            language = languages[i].mysql;
            at += n + 1;
            break;
        }
    }
    if (strncmp(at, "nopad_", 6) == 0)
        at += 6;
    /* MySQL has no as_ci of a language, and no ai_cs at all: the finer one keeps keys apart. */
    if (strcmp(at, "ai_cs") == 0 || (language[0] && strcmp(at, "as_ci") == 0))
        at = "as_cs";
    (void)snprintf(out, 64, "utf8mb4_%s%s0900_%s", language, language[0] ? "_" : "", at);
    return out;
}

const char *convert_collation(const char *name, enum convert_way way, char out[64], bool *nearest)
{
    bool other = false;
    const char *to = way == CONVERT_TO_MARIADB ? to_mariadb(name, out, &other)
                     : way == CONVERT_TO_MYSQL ? to_mysql(name, out, &other)
                                               : name;

    if (nearest)
        *nearest = *nearest || other;
    return to;
}

enum convert_way convert_way_of(const char *source_kind, const char *target_kind)
{
    if (strcmp(source_kind, target_kind) == 0)
        return CONVERT_SAME;
    return strcmp(target_kind, "mysql") == 0 ? CONVERT_TO_MYSQL : CONVERT_TO_MARIADB;
}

/* See places.h. */
#include "components/store/places.h"

void places_init(struct places *p, const struct endpoint_address *all)
{
    *p = (struct places){.all = *all, .now = endpoint_place(all, 0)};
}

static void new_round(struct places *p)
{
    p->failed = 0;
    err_clear(&p->lasting);
    err_clear(&p->passing);
}

static bool next(struct places *p)
{
    p->at = (p->at + 1) % (1 + p->all.n_others);
    p->now = endpoint_place(&p->all, p->at);
    return p->at != 0;
}

bool places_pass(struct places *p)
{
    return next(p);
}

void places_good(struct places *p)
{
    new_round(p);
}

static bool is_passing(enum err_code code)
{
    return err_class_of(code) == ERR_CLASS_RETRY && code != ERR_SYSTEM;
}

/* Speaks of this one server; another may do. */
static bool is_lasting(enum err_code code)
{
    static const enum err_code codes[] = {ERR_SOURCE_DIVERGED, ERR_SOURCE_LEFT,   ERR_COPY_PLACE,
                                          ERR_LOG_LOST,        ERR_SERVER_DENIED, ERR_SERVER_KIND,
                                          ERR_SERVER_TLS,      ERR_SERVER_REFUSED};

    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (codes[i] == code)
            return true;
    return false;
}

static enum places_answer round_over(struct places *p, struct err *e)
{
    bool stops = p->lasting.code == ERR_SOURCE_DIVERGED || p->passing.code == ERR_NONE;

    if (stops)
        *e = p->lasting;
    else if (p->lasting.code == ERR_NONE)
        *e = p->passing;
    else
        (void)err_set(e, p->passing.code, "%s; another server: %s", p->passing.message,
                      p->lasting.message);
    new_round(p);
    return stops ? PLACES_STOP : PLACES_WAIT;
}

enum places_answer places_failed(struct places *p, struct err *e)
{
    size_t n = 1 + p->all.n_others;

    if (!is_passing(e->code) && !is_lasting(e->code))
        return PLACES_STOP;
    struct err *kept = is_passing(e->code) ? &p->passing : &p->lasting;
    bool tells_most = e->code == ERR_SOURCE_DIVERGED || e->code == ERR_SOURCE_BEHIND;
    if (kept->code == ERR_NONE || kept->code == ERR_SOURCE_LEFT || tells_most)
        *kept = *e;
    (void)next(p);
    if (++p->failed < n)
        return PLACES_NEXT;
    return round_over(p, e);
}

/* One step of the cluster: events in, effects out. The order is the policy: what hosts say is taken
 * before anybody is judged silent (C6), and rules come last, over all that is known. */
#include "cm/core/cycle.h"

#include <stdarg.h>
#include <stdio.h>

#define TEXT_MAX 600

static char *format(struct arena *a, const char *fmt, va_list ap)
{
    char text[TEXT_MAX];

    (void)vsnprintf(text, sizeof text, fmt, ap);
    text_clean(text); /* also where it was cut */
    return arena_strdup(a, text);
}

void cycle_event(struct cycle *y, const char *name, const char *subject, unsigned rule,
                 const char *fmt, ...)
{
    Oms__Event *ev = arena_alloc(y->a, sizeof *ev);
    va_list ap;

    oms__event__init(ev);
    ev->has_id = ev->has_at_us = ev->has_rule = true;
    ev->id = ++y->c->last_event;
    ev->at_us = y->now.wall.us;
    ev->rule = rule;
    ev->name = arena_strdup(y->a, name);
    ev->subject = arena_strdup(y->a, subject);
    text_clean(ev->subject);
    va_start(ap, fmt);
    ev->text = format(y->a, fmt, ap);
    va_end(ap);
    vec_push(&y->out->events, ev);
    y->c->version++;
}

void cycle_answer(struct cycle *y, void *call, const ProtobufCMessage *m)
{
    struct answer a = {.call = call, .message = m};

    vec_push(&y->out->answers, a);
}

void cycle_say(struct cycle *y, void *call, const char *fmt, ...)
{
    Oms__CommandReply *r = arena_alloc(y->a, sizeof *r);
    va_list ap;

    oms__command_reply__init(r);
    va_start(ap, fmt);
    r->text = format(y->a, fmt, ap);
    va_end(ap);
    cycle_answer(y, call, &r->base);
}

void cycle_refuse(struct cycle *y, void *call, const struct err *e)
{
    struct answer a = {.call = call, .error = *e};

    vec_push(&y->out->answers, a);
}

void cycle_remove(struct cycle *y, const char *table, const char *key)
{
    struct write w = {.table = table, .key = arena_strdup(y->a, key), .state = ""};

    vec_push(&y->out->writes, w);
}

void cluster_step(struct cluster *c, const struct cluster_event *events, size_t n,
                  struct cluster_now now, struct arena *arena, struct effects *out)
{
    struct cycle y = {.c = c, .now = now, .a = arena, .out = out};

    for (size_t i = 0; i < n; i++)
        if (events[i].kind == EVENT_SYNC)
            report_sync(&y, &events[i]);
    for (size_t i = 0; i < n; i++)
        if (events[i].kind == EVENT_COMMAND)
            command_do(&y, &events[i]);
    hosts_judge(&y);
    tests_judge(&y);
    rules_apply(&y);
    rows_write(&y);
}

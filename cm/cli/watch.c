/*
 * oms project watch: a live view on a terminal (the frame is drawn again in place), plain lines
 * elsewhere, JSON lines for programs. A CM that does not answer for a while is waited for. Ends by
 * itself when the project does, when --until is reached or --timeout has passed.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cm/cli/cli.h"
#include "cm/cli/project_view.h"
#include "common/os/clock.h"
#include "common/pbtext/pbtext.h"

#define HOLD_MS 1000u
#define ANSWER_MS 5000u
#define CM_PATIENCE_MS 30000 /* a CM that restarts is back by then */
#define RETRY_MS 500
#define LINE_EVERY_MS 1000

struct watch {
    struct cli *c;
    Oms__ProjectWatchRequest request;
    enum watch_goal goal;
    bool live;         /* a terminal */
    unsigned drawn;    /* lines of the frame on the screen */
    struct mono begin; /* of watching */
    struct mono heard; /* last answer of the CM */
    struct mono printed;
    long timeout_s; /* 0 = none */
    struct buf frame, last;
};

/* Copies at most `width` columns of each of at most `height` lines; returns the lines. */
static unsigned fit(const struct buf *frame, unsigned width, unsigned height, struct buf *out)
{
    unsigned lines = 0, column = 0;

    for (size_t i = 0; i < frame->len && lines < height; i++) {
        unsigned char ch = frame->p[i];

        if (ch == '\n') {
            buf_u8(out, '\n');
            lines++;
            column = 0;
            continue;
        }
        column += (ch & 0xc0) != 0x80;
        if (column < width && (ch >= 0x20 && ch != 0x7f))
            buf_u8(out, ch);
    }
    return lines;
}

static bool terminal_has_unicode(void)
{
    const char *lang = getenv("LC_ALL");

    if (!lang || !*lang)
        lang = getenv("LC_CTYPE");
    if (!lang || !*lang)
        lang = getenv("LANG");
    return lang && (strcasestr(lang, "utf-8") || strcasestr(lang, "utf8"));
}

static void draw(struct watch *w, const Oms__ProjectView *v)
{
    struct cli *c = w->c;
    unsigned width = cli_terminal_width();

    buf_clear(&w->frame);
    project_view_summary(v, terminal_has_unicode() ? &project_bars_unicode : &project_bars_plain,
                         &c->arena, &w->frame);
    buf_printf(&w->frame, "  %s since the start of watching; Ctrl-C leaves, the project goes on\n",
               cli_duration(&c->arena, mono_ms_between(w->begin, clock_mono())));
    if (w->drawn > 0)
        buf_printf(&c->out, "\x1b[%uA", w->drawn);
    buf_str(&c->out, "\x1b[J");
    w->drawn = fit(&w->frame, width ? width : 80, cli_terminal_height() - 1, &c->out);
    cli_flush(c);
}

/* A line where it differs from the last one, at most one a second; the last view always. */
static void print_line(struct watch *w, const Oms__ProjectView *v, bool last)
{
    struct cli *c = w->c;
    struct mono now = clock_mono();

    if (!last && w->printed.ns && mono_ms_between(w->printed, now) < LINE_EVERY_MS)
        return;
    buf_clear(&w->frame);
    if (c->output == OUTPUT_JSON) {
        pbtext_format_json(&v->base, PBTEXT_EMPTY, &w->frame);
        buf_u8(&w->frame, '\n');
    } else {
        project_view_line(v, &c->arena, &w->frame);
    }
    if (w->frame.len == w->last.len && memcmp(w->frame.p, w->last.p, w->last.len) == 0)
        return;
    w->printed = now;
    buf_clear(&w->last);
    buf_append(&w->last, w->frame.p, w->frame.len);
    if (c->output == OUTPUT_TABLE)
        buf_printf(&c->out, "%s  ", cli_when(&c->arena, clock_wall().us));
    buf_append(&c->out, w->frame.p, w->frame.len);
    cli_flush(c);
}

static bool time_is_over(const struct watch *w)
{
    return w->timeout_s > 0 &&
           mono_ms_between(w->begin, clock_mono()) >= (int64_t)w->timeout_s * 1000;
}

/* The CM did not answer: waits a little, or gives up. */
static bool is_patient(struct watch *w)
{
    if (w->c->e.code != ERR_UNAVAILABLE || mono_ms_between(w->heard, clock_mono()) > CM_PATIENCE_MS)
        return false;
    poll(NULL, 0, RETRY_MS);
    cli_disconnect(w->c); /* it may be back under another address */
    return true;
}

/* Says why it will not be reached any more: the project's own error where there is one. */
static enum cli_exit failed(struct cli *c, const Oms__ProjectView *v, const char *why)
{
    if (strcmp(cli_or(v->state, ""), "failed") == 0 && v->error && *cli_or(v->error->code, ""))
        (void)cli_error_of(c, v->error);
    else
        err_set(&c->e, ERR_WRONG_STATE, "%s", why);
    err_wrap(&c->e, "project '%s'", c->args[0]);
    return cli_ends(c, CLI_FAILED);
}

/* One answer of the CM. False: leave with *x. */
static bool watch_once(struct watch *w, enum cli_exit *x)
{
    struct cli *c = w->c;
    Oms__ProjectWatchReply *reply;
    enum watch_outcome o;
    const char *why = "";

    if (!cli_call(c, "ProjectWatch", &w->request.base, &reply)) {
        *x = CLI_UNREACHABLE;
        if (is_patient(w))
            return true;
        *x = cli_failed(c);
        return false;
    }
    w->heard = clock_mono();
    w->request.has_cursor = true;
    w->request.cursor = reply->cursor;
    if (!reply->project)
        return true;
    project_view_complete(reply->project);
    o = watch_judge(reply->project, w->goal, &why);
    if (w->live)
        draw(w, reply->project);
    else
        print_line(w, reply->project, o != WATCH_GO_ON);
    *x = CLI_FINE;
    if (o == WATCH_FAILED)
        *x = failed(c, reply->project, why);
    return o == WATCH_GO_ON;
}

static enum cli_exit watch_loop(struct watch *w)
{
    enum cli_exit x = CLI_FINE;
    bool more = true;

    while (more) {
        struct arena outer = w->c->arena;

        arena_init(&w->c->arena, 0); /* each round's memory goes with the round */
        more = watch_once(w, &x);
        arena_fini(&w->c->arena);
        w->c->arena = outer;
        if (more && time_is_over(w)) {
            err_set(&w->c->e, ERR_TIMEOUT, "project '%s': not reached within %ld seconds",
                    w->c->args[0], w->timeout_s);
            return cli_ends(w->c, CLI_TIMEOUT);
        }
    }
    return x;
}

enum cli_exit cli_project_watch(struct cli *c)
{
    const char *until = cli_value(c, "until");
    struct watch w = {.c = c, .request = OMS__PROJECT_WATCH_REQUEST__INIT};
    enum cli_exit x;

    if (until && !watch_goal_from_name(until, &w.goal))
        return cli_usage(c, "--until is caught-up, verified or finished, not '%s'", until);
    if (!cli_number(c, "timeout", 1, 10000000, &w.timeout_s))
        return cli_usage(c, "%s", c->e.message);
    if (!cli_connect(c))
        return cli_failed(c);
    c->timeout_ms = HOLD_MS + ANSWER_MS;
    w.request.name = (char *)c->args[0];
    w.request.has_hold_ms = true;
    w.request.hold_ms = HOLD_MS;
    w.live = cli_terminal_width() > 0 && c->output == OUTPUT_TABLE;
    w.begin = w.heard = clock_mono();
    buf_init(&w.frame, 64u << 20);
    buf_init(&w.last, 64u << 20);
    x = watch_loop(&w);
    buf_fini(&w.frame);
    buf_fini(&w.last);
    return x;
}

/* oms project: migrations, from creation to release. Watching is in watch.c. */
#include <string.h>

#include "cm/cli/cli.h"
#include "cm/cli/project_view.h"
#include "common/pbtext/pbtext.h"

#define FILE_MAX (4u << 20)

/* What the CM refuses has a place in the file, too: its message begins with the field. */
static enum cli_exit refused(struct cli *c, const char *file, const struct buf *text)
{
    unsigned line = pbtext_line_of((const char *)text->p, text->len, c->e.message, &c->arena);

    if (c->e.code == ERR_INVALID || c->e.code == ERR_UNSUPPORTED || c->e.code == ERR_NOT_FOUND)
        (void)err_wrap(&c->e, "%s:%u", file, line);
    return cli_failed(c);
}

enum cli_exit cli_project_create(struct cli *c)
{
    CLEANUP(buf_fini) struct buf text;
    Oms__ProjectCreateRequest r = OMS__PROJECT_CREATE_REQUEST__INIT;
    const char *file = cli_value(c, "file");
    Oms__CommandReply *reply;
    ProtobufCMessage *m;

    buf_init(&text, FILE_MAX);
    if (cli_value(c, "example")) {
        pbtext_format_example(&oms__project_file__descriptor, &c->out);
        return CLI_FINE;
    }
    if (!file)
        return cli_usage(c, "--file is missing; --example prints one to start from");
    if (!cli_read_file(c, file, &text) ||
        !pbtext_parse_yaml(file, (const char *)text.p, text.len, &oms__project_file__descriptor,
                           &c->arena, &m, &c->e))
        return cli_failed(c);
    r.file = (Oms__ProjectFile *)m;
    if (!cli_call(c, "ProjectCreate", &r.base, &reply))
        return refused(c, file, &text);
    cli_put_reply(c, reply);
    return CLI_FINE;
}

static enum cli_exit call_with_name(struct cli *c, const char *method)
{
    Oms__NameRequest r = OMS__NAME_REQUEST__INIT;

    r.name = (char *)c->args[0];
    return cli_command_call(c, method, &r.base);
}

enum cli_exit cli_project_start(struct cli *c)
{
    return call_with_name(c, "ProjectStart");
}

enum cli_exit cli_project_pause(struct cli *c)
{
    return call_with_name(c, "ProjectPause");
}

enum cli_exit cli_project_resume(struct cli *c)
{
    return call_with_name(c, "ProjectResume");
}

enum cli_exit cli_project_remove(struct cli *c)
{
    return call_with_name(c, "ProjectRemove");
}

enum cli_exit cli_project_release(struct cli *c)
{
    Oms__ReleaseRequest r = OMS__RELEASE_REQUEST__INIT;

    r.name = (char *)c->args[0];
    r.has_finish = true;
    r.finish = cli_value(c, "finish") != NULL;
    return cli_command_call(c, "ProjectRelease", &r.base);
}

/* The step that says most about where a project is: the last that is not pending. */
static const char *present_step(const Oms__ProjectView *v)
{
    const char *name = "";

    for (size_t i = 0; i < v->n_steps; i++)
        if (strcmp(cli_or(v->steps[i]->state, "pending"), "pending") != 0)
            name = cli_or(v->steps[i]->name, "");
    return name;
}

enum cli_exit cli_project_list(struct cli *c)
{
    static const char *const head[] = {"NAME", "STATE",     "SOURCE",    "TARGET", "STEP",
                                       "LAG",  "CAUGHT UP", "INCIDENTS", "ERROR"};
    Oms__ProjectListReply *reply;
    struct pbtext_table *t;

    if (!cli_call_empty(c, "ProjectList", &reply))
        return cli_failed(c);
    for (size_t i = 0; i < reply->n_projects; i++)
        project_view_complete(reply->projects[i]);
    if (c->output == OUTPUT_JSON) {
        cli_print_message(c, &reply->base);
        return CLI_FINE;
    }
    t = pbtext_table_new(head, ARRAY_LEN(head));
    for (size_t i = 0; i < reply->n_projects; i++) {
        const Oms__ProjectView *v = reply->projects[i];
        const char *error = v->error && v->error->code ? v->error->code : "";
        const char *lag =
            v->has_lag_ms && v->lag_ms >= 0 ? cli_duration(&c->arena, v->lag_ms) : "-";

        pbtext_table_row(
            t, (const char *const[]){v->name, v->state, v->file ? v->file->source : "",
                                     v->file ? v->file->target : "", present_step(v), lag,
                                     v->caught_up ? "yes" : "no",
                                     arena_printf(&c->arena, "%zu", project_view_open_incidents(v)),
                                     error});
    }
    pbtext_table_write(t, cli_terminal_width(), &c->out);
    pbtext_table_free(t);
    return CLI_FINE;
}

static void section(struct cli *c, const char *title, struct buf *part)
{
    if (part->len > 0) {
        buf_printf(&c->out, "\n%s\n", title);
        buf_append(&c->out, part->p, part->len);
    }
    buf_clear(part);
}

/* Lines of JSON as the members of one list. */
static void put_list(struct cli *c, const char *name, struct buf *lines)
{
    const char *separator = "";

    buf_printf(&c->out, "{\"%s\": [", name);
    for (const char *p = buf_cstr(lines), *end; (end = strchr(p, '\n')) != NULL; p = end + 1) {
        buf_printf(&c->out, "%s%.*s", separator, (int)(end - p), p);
        separator = ",\n ";
    }
    buf_str(&c->out, "]}\n");
}

enum cli_exit cli_project_skipped(struct cli *c)
{
    static const char *const json[] = {"json"};
    bool for_people = c->output != OUTPUT_JSON, fine;
    struct buf text CLEANUP(buf_fini);
    Oms__ProjectView *v;
    struct cli_ask ask;

    buf_init(&text, 256u << 20);
    fine = cli_call_name(c, "ProjectShow", c->args[0], &v) &&
           cli_ask_begin(c, &ask, arena_printf(&c->arena, "%s.incremental", c->args[0]),
                         "skipped-rows", json, for_people ? 0 : 1);
    while (fine && ask.more)
        fine = cli_ask_next(c, &ask, &text);
    if (fine && !buf_ok(&text))
        fine = err_set(&c->e, ERR_LIMIT, "the answer is too long; see oms_meta.skipped");
    if (!fine)
        return cli_failed(c);
    if (!for_people)
        put_list(c, "skipped", &text);
    else if (text.len > 0)
        buf_append(&c->out, text.p, text.len);
    else
        buf_printf(&c->out, "project '%s' left out no change\n", c->args[0]);
    return CLI_FINE;
}

enum cli_exit cli_project_show(struct cli *c)
{
    CLEANUP(buf_fini) struct buf part;
    unsigned width = cli_terminal_width();
    Oms__ProjectView *v;

    buf_init(&part, 64u << 20);
    if (!cli_call_name(c, "ProjectShow", c->args[0], &v))
        return cli_failed(c);
    project_view_complete(v);
    if (c->output == OUTPUT_JSON) {
        cli_print_message(c, &v->base);
        return CLI_FINE;
    }
    project_view_summary(v, &project_bars_plain, &c->arena, &c->out);
    project_view_tables(v, width, &c->arena, &part);
    section(c, "tables", &part);
    project_view_changes(v, width, &c->arena, &part);
    section(c, "changes", &part);
    project_view_checks(v, cli_value(c, "checks") != NULL, width, &part);
    section(c, "precheck", &part);
    project_view_objects(v, cli_value(c, "objects") != NULL, width, &part);
    section(c, "objects", &part);
    for (size_t i = 0; i < v->n_held_ddl; i++)
        buf_printf(&part, "%s;\n", v->held_ddl[i]);
    section(c, "DDL that was held back; run it on the target when the application writes there",
            &part);
    if (v->file)
        pbtext_format_yaml(&v->file->base, &part);
    section(c, "file", &part);
    return CLI_FINE;
}

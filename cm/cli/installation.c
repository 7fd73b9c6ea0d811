/* The installation's own files. See installation.h. */
#include "cm/cli/installation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/os/durable.h"
#include "common/pbtext/pbtext.h"

#define FILE_MAX (64u << 10)
#define SOCKET_PATH_MAX 107u
#define SOCKET_NAME_MAX 40u /* longest "/name" put below a directory for sockets */

bool installation_is_short(const char *dir)
{
    return strlen(dir) + SOCKET_NAME_MAX <= SOCKET_PATH_MAX;
}

/* Takes "." and ".." out of an absolute path, by text alone. */
static char *clean_path(struct arena *arena, const char *path)
{
    char *out = arena_alloc(arena, strlen(path) + 2), *p = out;

    for (const char *part = path; *part;) {
        size_t n = strcspn(part, "/");

        if (n == 2 && part[0] == '.' && part[1] == '.') {
            while (p > out && *--p != '/')
                ;
        } else if (n > 0 && !(n == 1 && part[0] == '.')) {
            *p++ = '/';
            memcpy(p, part, n);
            p += n;
        }
        part += n + (part[n] == '/');
    }
    if (p == out)
        *p++ = '/';
    *p = '\0';
    return out;
}

bool installation_absolute(struct cli *c, const char *path, const char **out)
{
    char *cwd;

    if (path[0] == '/') {
        *out = clean_path(&c->arena, path);
        return true;
    }
    cwd = getcwd(NULL, 0);
    if (!cwd)
        return err_set_errno(&c->e, ERR_SYSTEM, errno, "cannot tell the working directory");
    *out = clean_path(&c->arena, arena_printf(&c->arena, "%s/%s", cwd, path));
    free(cwd);
    return true;
}

bool installation_read(struct cli *c, const char *dir, Oms__Installation **out)
{
    CLEANUP(buf_fini) struct buf text;
    const char *path = arena_printf(&c->arena, "%s/oms.yaml", dir);
    ProtobufCMessage *m;

    buf_init(&text, FILE_MAX);
    if (!durable_read_file(path, &text, &c->e) ||
        !pbtext_parse_yaml(path, (const char *)text.p, text.len, &oms__installation__descriptor,
                           &c->arena, &m, &c->e))
        return false;
    *out = (Oms__Installation *)m;
    (*out)->dir = arena_strdup(&c->arena, dir); /* it may have been moved */
    return true;
}

bool installation_write(struct cli *c, const Oms__Installation *i)
{
    CLEANUP(buf_fini) struct buf text;

    buf_init(&text, FILE_MAX);
    pbtext_format_yaml(&i->base, &text);
    return durable_write_file(arena_printf(&c->arena, "%s/oms.yaml", i->dir), text.p, text.len,
                              0644, &c->e);
}

/* NULL: the environment names no place. */
static const char *state_dir(struct cli *c)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

    if (state && state[0] == '/')
        return arena_printf(&c->arena, "%s/oms", state);
    return home && home[0] == '/' ? arena_printf(&c->arena, "%s/.local/state/oms", home) : NULL;
}

bool installation_read_line(struct cli *c, const char *path, const char **out)
{
    CLEANUP(buf_fini) struct buf text;
    const char *line;

    buf_init(&text, FILE_MAX);
    if (!durable_read_file(path, &text, &c->e))
        return false;
    line = buf_cstr(&text);
    *out = arena_strndup(&c->arena, line, strcspn(line, "\r\n"));
    return true;
}

bool installation_remembered(struct cli *c, const char **dir)
{
    const char *state = state_dir(c);

    if (!state ||
        !installation_read_line(c, arena_printf(&c->arena, "%s/installation", state), dir))
        return err_set(&c->e, ERR_UNAVAILABLE,
                       "no installation is known here: start one with `oms up --dir DIR`, or name "
                       "the CM with --cm or OMS_CM");
    return true;
}

bool installation_remember(struct cli *c, const char *dir)
{
    const char *state = state_dir(c), *text = arena_printf(&c->arena, "%s\n", dir);

    if (!state)
        return err_set(&c->e, ERR_NOT_FOUND, "neither XDG_STATE_HOME nor HOME is set");
    return durable_mkdirs(state, 0700, &c->e) &&
           durable_write_file(arena_printf(&c->arena, "%s/installation", state), text, strlen(text),
                              0600, &c->e);
}

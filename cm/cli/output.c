/* Numbers, times, files and passwords between the program and a person. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "cm/cli/cli.h"
#include "common/base/must.h"
#include "common/base/time.h"
#include "common/os/durable.h"
#include "common/pbtext/pbtext.h"

#define PASSWORD_MAX 1024u

void cli_print_message(struct cli *c, const ProtobufCMessage *m)
{
    pbtext_format_json(m, PBTEXT_INDENT | PBTEXT_EMPTY, &c->out);
}

const char *cli_count(struct arena *a, unsigned long long n)
{
    char digits[32], *out = arena_alloc(a, 48), *p = out;
    int len = snprintf(digits, sizeof digits, "%llu", n);

    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            *p++ = ',';
        *p++ = digits[i];
    }
    *p = '\0';
    return out;
}

const char *cli_bytes(struct arena *a, unsigned long long n)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB"};
    double v = (double)n / 1e3;
    size_t u = 0;

    if (n < 1000)
        return arena_printf(a, "%llu byte%s", n, n == 1 ? "" : "s");
    for (; v >= 999.95 && u + 1 < ARRAY_LEN(units); u++)
        v /= 1e3;
    return arena_printf(a, "%.1f %s", v, units[u]);
}

const char *cli_rate_bytes(struct arena *a, unsigned long long n)
{
    return arena_printf(a, "%.1f MB/s", (double)n / 1e6);
}

const char *cli_duration(struct arena *a, long long ms)
{
    char *out = arena_alloc(a, 64);

    return duration_format(ms, out, 64);
}

const char *cli_when(struct arena *a, long long us)
{
    char text[WALL_TEXT_MAX];

    if (us <= 0)
        return "-";
    wall_format((struct wall){us}, text);
    if (strlen(text) > 19) {
        text[10] = ' ';
        text[19] = '\0';
    }
    return arena_printf(a, "%s UTC", text);
}

const char *cli_or(const char *s, const char *otherwise)
{
    return s && *s ? s : otherwise;
}

static bool terminal(struct winsize *w)
{
    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, w) == 0;
}

unsigned cli_terminal_width(void)
{
    struct winsize w = {0};

    if (!terminal(&w))
        return 0;
    return w.ws_col > 20 ? w.ws_col : 80;
}

unsigned cli_terminal_height(void)
{
    struct winsize w = {0};

    return terminal(&w) && w.ws_row > 4 ? w.ws_row : 24;
}

static bool read_standard_input(struct cli *c, struct buf *out)
{
    char part[4096];

    for (;;) {
        ssize_t n = read(STDIN_FILENO, part, sizeof part);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set_errno(&c->e, ERR_SYSTEM, errno, "cannot read standard input");
        if (n == 0)
            return buf_ok(out) || err_set(&c->e, ERR_LIMIT, "standard input is too long");
        buf_append(out, part, (size_t)n);
    }
}

bool cli_read_file(struct cli *c, const char *path, struct buf *out)
{
    if (strcmp(path, "-") == 0)
        return read_standard_input(c, out);
    return durable_read_file(path, out, &c->e);
}

bool cli_password_from_file(struct cli *c, const char *path, const char **out)
{
    CLEANUP(buf_fini) struct buf b;
    const char *text;

    buf_init(&b, PASSWORD_MAX);
    if (!durable_read_file(path, &b, &c->e))
        return err_wrap(&c->e, "password file");
    text = buf_cstr(&b);
    *out = arena_strndup(&c->arena, text, strcspn(text, "\r\n"));
    explicit_bzero(b.p, b.len);
    return true;
}

bool cli_ask_password(struct cli *c, const char *prompt, const char **out)
{
    struct termios before, quiet;
    char text[PASSWORD_MAX];
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
    ssize_t n;

    if (fd < 0 || tcgetattr(fd, &before) != 0) {
        if (fd >= 0)
            close(fd);
        return err_set(&c->e, ERR_INVALID,
                       "no password: give --password-file, or password_file or password_env in the "
                       "file (there is no terminal to ask on)");
    }
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(fd, TCSAFLUSH, &quiet);
    dprintf(fd, "%s: ", prompt);
    do
        n = read(fd, text, sizeof text - 1);
    while (n < 0 && errno == EINTR);
    tcsetattr(fd, TCSAFLUSH, &before);
    dprintf(fd, "\n");
    close(fd);
    if (n < 0)
        return err_set_errno(&c->e, ERR_SYSTEM, errno, "cannot read the password");
    if (n == 0)
        return err_set(&c->e, ERR_INVALID, "no password: the terminal's input ended");
    text[n] = '\0';
    *out = arena_strndup(&c->arena, text, strcspn(text, "\r\n"));
    explicit_bzero(text, sizeof text);
    return true;
}

/* Programs and processes. See process.h. */
#include "cm/cli/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/os/clock.h"

#define COMMAND_LINE_MAX 16384

bool process_own_dir(struct cli *c, const char **out)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    char *slash;

    if (n < 0)
        return err_set_errno(&c->e, ERR_SYSTEM, errno, "cannot read '/proc/self/exe'");
    path[n] = '\0';
    slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
    *out = arena_strdup(&c->arena, path);
    return true;
}

bool process_ended(int pidfd, int timeout_ms)
{
    struct mono end = mono_add_ms(clock_mono(), timeout_ms);

    for (;;) {
        struct pollfd p = {.fd = pidfd, .events = POLLIN};
        int64_t left = mono_ms_between(clock_mono(), end);
        int n = poll(&p, 1, left > 0 ? (int)left : 0);

        if (n > 0)
            return true;
        if (n == 0 || errno != EINTR)
            return false;
    }
}

bool process_run(struct cli *c, const struct spawn_options *o, int timeout_ms, int *exit_code)
{
    pid_t pid;
    int fd, status = 0;

    if (!spawn_process(o, &pid, &c->e) || !pidfd_open_pid(pid, &fd, &c->e))
        return false;
    if (!process_ended(fd, timeout_ms)) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        close(fd);
        return err_set(&c->e, ERR_TIMEOUT, "'%s' did not end within %d seconds", o->argv[0],
                       timeout_ms / 1000);
    }
    close(fd);
    waitpid(pid, &status, 0);
    *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return true;
}

/* The command line of a process, its words ended by NUL each; false: gone, or not ours to see. */
static bool read_command_line(pid_t pid, char *out, size_t cap, size_t *len)
{
    char path[64];
    ssize_t n;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    n = read(fd, out, cap - 1);
    close(fd);
    if (n <= 0)
        return false;
    out[n] = '\0';
    *len = (size_t)n;
    return true;
}

static bool word_fits(const char *word, const char *value)
{
    size_t n = strlen(value);

    return n > 0 && value[n - 1] == '/' ? strncmp(word, value, n) == 0 : strcmp(word, value) == 0;
}

static bool is_wanted(pid_t pid, const char *program, const char *option, const char *value)
{
    char line[COMMAND_LINE_MAX];
    const char *slash, *word = line;
    size_t len;

    if (!read_command_line(pid, line, sizeof line, &len))
        return false;
    slash = strrchr(line, '/');
    if (strncmp(slash ? slash + 1 : line, program, strlen(program)) != 0)
        return false;
    while (word < line + len) {
        const char *next = word + strlen(word) + 1;

        if (strcmp(word, option) == 0 && next < line + len && word_fits(next, value))
            return true;
        word = next;
    }
    return false;
}

pid_t process_find(const char *program, const char *option, const char *value, pid_t after)
{
    DIR *d = opendir("/proc");
    pid_t least = 0;
    struct dirent *entry;

    while (d && (entry = readdir(d)) != NULL) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

        if (pid > after && pid != getpid() && (least == 0 || pid < least) &&
            is_wanted(pid, program, option, value))
            least = pid;
    }
    if (d)
        closedir(d);
    return least;
}

bool process_stop(pid_t pid, int sig, int timeout_ms)
{
    struct err e = ERR_INIT;
    int fd;
    bool gone;

    if (!pidfd_open_pid(pid, &fd, &e))
        return e.code == ERR_NOT_FOUND;
    gone = !pidfd_signal(fd, sig, &e) ? e.code == ERR_NOT_FOUND : process_ended(fd, timeout_ms);
    close(fd);
    return gone;
}

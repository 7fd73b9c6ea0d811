/* The table of commands, the words it takes, and the help it makes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>

#include "cm/cli/cli.h"
#include "common/base/version.h"
#include "test/lib/cli_run.h"

static void every_command_is_described_with_an_example_of_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i < cli_n_commands; i++) {
        const struct cli_command *cmd = &cli_commands[i];
        char word[64];

        snprintf(word, sizeof word, "oms %s%s%s", cmd->noun, cmd->verb ? " " : "",
                 cmd->verb ? cmd->verb : "");
        assert_non_null(cmd->run);
        assert_true(strlen(cmd->about) > 10 && cmd->about[strlen(cmd->about) - 1] == '.');
        assert_non_null(strstr(cmd->example, word));
        assert_true(cmd->min_args <= cmd->max_args);
        assert_true((*cmd->args != '\0') == (cmd->max_args > 0));
        for (size_t k = 0; k < i; k++)
            assert_false(strcmp(cli_commands[k].noun, cmd->noun) == 0 &&
                         (!cmd->verb || strcmp(cli_commands[k].verb, cmd->verb) == 0));
    }
}

static void no_option_has_two_meanings(void **state)
{
    (void)state;
    for (size_t i = 0; i < cli_n_commands; i++) {
        const struct cli_option *o = cli_commands[i].options;
        size_t n = 0;

        for (; o[n].name; n++) {
            assert_true(strlen(o[n].help) > 5);
            for (const struct cli_option *g = cli_global_options; g->name; g++) {
                assert_string_not_equal(g->name, o[n].name);
                assert_false(g->letter && g->letter == o[n].letter);
            }
        }
        assert_true(n < CLI_OPTIONS_MAX);
    }
}

static void help_is_there_for_everything(void **state)
{
    char text[16384], words[128];

    (void)state;
    assert_int_equal(cli_run(text, sizeof text, "--help"), CLI_FINE);
    assert_non_null(strstr(text, "oms project watch NAME"));
    assert_non_null(strstr(text, "exit codes"));
    for (size_t i = 0; i < cli_n_commands; i++) {
        snprintf(words, sizeof words, "%s %s --help", cli_commands[i].noun,
                 cli_commands[i].verb ? cli_commands[i].verb : "");
        assert_int_equal(cli_run(text, sizeof text, words), CLI_FINE);
        assert_non_null(strstr(text, cli_commands[i].about));
        assert_non_null(strstr(text, "for example"));
    }
    assert_int_equal(cli_run(text, sizeof text, "project --help"), CLI_FINE);
    assert_non_null(strstr(text, "oms project pause NAME"));
}

static void what_is_not_understood_is_refused_with_two(void **state)
{
    static const char *const bad[] = {"",
                                      "nonsense",
                                      "project",
                                      "project nonsense",
                                      "project start",
                                      "project start a b",
                                      "--output=json",
                                      "--nonsense project list",
                                      "--cm",
                                      "project start a --nonsense",
                                      "project start a -z",
                                      "project start a --output",
                                      "project start a --output=xml",
                                      "project create",
                                      "datasource add",
                                      "project watch a --until never",
                                      "project watch a --timeout soon",
                                      "project release a --finish=1",
                                      "incident resolve 1",
                                      "incident show one",
                                      "component logs a -n 0",
                                      "events --count x"};
    char text[8192];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (cli_run(text, sizeof text, bad[i]) != CLI_USAGE)
            fail_msg("'oms %s' was taken: %s", bad[i], text);
}

static void without_a_cm_the_exit_code_is_three(void **state)
{
    char text[8192];

    (void)state;
    setenv("XDG_STATE_HOME", "/nonexistent", 1);
    unsetenv("OMS_CM");
    assert_int_equal(cli_run(text, sizeof text, "project list"), CLI_UNREACHABLE);
    assert_non_null(strstr(text, "oms up"));
}

static void with_json_an_error_is_one_object(void **state)
{
    static const struct {
        const char *words, *code, *message;
        int x;
    } bad[] = {
        {"project list -o json", "\"UNAVAILABLE\"", "no installation is known", CLI_UNREACHABLE},
        {"-ojson project start", "\"USAGE\"", "is missing", CLI_USAGE},
        {"project start a --nonsense --output=json", "\"USAGE\"", "--nonsense", CLI_USAGE},
        {"nonsense --output json", "\"USAGE\"", "unknown command 'nonsense'", CLI_USAGE},
        {"project -o json", "\"USAGE\"", "a word is missing after 'project'", CLI_USAGE},
        {"explain NOTHING -o json", "\"NOT_FOUND\"", "no error code 'NOTHING'", CLI_FAILED},
    };
    char text[8192], end[64];

    (void)state;
    setenv("XDG_STATE_HOME", "/nonexistent", 1);
    unsetenv("OMS_CM");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(cli_run(text, sizeof text, bad[i].words), bad[i].x);
        assert_memory_equal(text, "{\"error\": {\"code\": ", 19);
        assert_non_null(strstr(text, bad[i].code));
        assert_non_null(strstr(text, bad[i].message));
        assert_non_null(strstr(text, "\"remedy\": \""));
        snprintf(end, sizeof end, "\"exit_code\": %d}}\n", bad[i].x);
        assert_string_equal(text + strlen(text) - strlen(end), end);
    }
}

static void what_was_meant_is_guessed(void **state)
{
    static const char *const pairs[][2] = {
        {"projct list", "did you mean 'oms project list'?"},
        {"project lst", "did you mean 'oms project list'?"},
        {"store trce", "did you mean 'oms store trace'?"},
        {"project list --ouput json", "did you mean '--output'?"},
        {"project wait x", "`oms help project` lists what there is"},
    };
    char text[8192];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        assert_int_equal(cli_run(text, sizeof text, pairs[i][0]), CLI_USAGE);
        if (!strstr(text, pairs[i][1]))
            fail_msg("'%s': %s", pairs[i][0], text);
    }
    assert_int_equal(cli_run(text, sizeof text, "entirely"), CLI_USAGE);
    assert_null(strstr(text, "did you mean"));
}

static void the_version_is_told_without_a_cm(void **state)
{
    char text[256];

    (void)state;
    assert_int_equal(cli_run(text, sizeof text, "--version"), CLI_FINE);
    assert_string_equal(text, "oms " OMS_VERSION "\n");
}

static void examples_are_printed_without_a_cm(void **state)
{
    char text[8192];

    (void)state;
    setenv("XDG_STATE_HOME", "/nonexistent", 1);
    assert_int_equal(cli_run(text, sizeof text, "project create --example"), CLI_FINE);
    assert_non_null(strstr(text, "name: shop-move\n"));
    assert_int_equal(cli_run(text, sizeof text, "datasource add --example"), CLI_FINE);
    assert_non_null(strstr(text, "kind: mariadb\n"));
}

static void a_bad_file_is_refused_before_anything_is_called(void **state)
{
    char text[8192], path[] = "/tmp/test_commands.XXXXXX", words[128];
    int fd = mkstemp(path);

    (void)state;
    setenv("XDG_STATE_HOME", "/nonexistent", 1);
    assert_int_equal(write(fd, "name: a\nsorce: b\n", 17), 17);
    close(fd);
    snprintf(words, sizeof words, "project create -f %s", path);
    assert_int_equal(cli_run(text, sizeof text, words), CLI_FAILED);
    assert_non_null(strstr(text, ":2: unknown key 'sorce'"));
    assert_non_null(strstr(text, "'source'"));
    unlink(path);
    assert_int_equal(cli_run(text, sizeof text, words), CLI_FAILED);
    assert_non_null(strstr(text, "NOT_FOUND"));
}

static void every_error_code_is_explained(void **state)
{
    char text[65536], words[64];

    (void)state;
    for (int i = 1; i < ERR_COUNT; i++) {
        snprintf(words, sizeof words, "explain %s", err_name((enum err_code)i));
        assert_int_equal(cli_run(text, sizeof text, words), CLI_FINE);
        assert_non_null(strstr(text, "what to do"));
    }
    assert_int_equal(cli_run(text, sizeof text, "explain server_denied -o json"), CLI_FINE);
    assert_non_null(strstr(text, "{\"code\": \"SERVER_DENIED\""));
    assert_int_equal(cli_run(text, sizeof text, "explain NOTHING"), CLI_FAILED);
    assert_int_equal(cli_run(text, sizeof text, "explain"), CLI_FINE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_is_described_with_an_example_of_itself),
        cmocka_unit_test(no_option_has_two_meanings),
        cmocka_unit_test(help_is_there_for_everything),
        cmocka_unit_test(what_is_not_understood_is_refused_with_two),
        cmocka_unit_test(without_a_cm_the_exit_code_is_three),
        cmocka_unit_test(with_json_an_error_is_one_object),
        cmocka_unit_test(what_was_meant_is_guessed),
        cmocka_unit_test(the_version_is_told_without_a_cm),
        cmocka_unit_test(examples_are_printed_without_a_cm),
        cmocka_unit_test(a_bad_file_is_refused_before_anything_is_called),
        cmocka_unit_test(every_error_code_is_explained),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

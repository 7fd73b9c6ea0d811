/* The table of commands: parsing, help and docs/reference/cli.md come from it. */
#include "cm/cli/cli.h"

#define NO_OPTIONS              \
    (const struct cli_option[]) \
    {                           \
        {                       \
            0                   \
        }                       \
    }
#define OPTIONS(...)            \
    (const struct cli_option[]) \
    {                           \
        __VA_ARGS__,            \
        {                       \
            0                   \
        }                       \
    }

#define OPTION_FILE                                                                   \
    {                                                                                 \
        "file", 'f', "FILE", "the file to read, YAML or JSON; - reads standard input" \
    }
#define OPTION_EXAMPLE                                                             \
    {                                                                              \
        "example", 0, NULL, "print a commented file to start from, and do nothing" \
    }
#define OPTION_DIR(text)      \
    {                         \
        "dir", 0, "DIR", text \
    }

const struct cli_option cli_global_options[] = {
    {"cm", 0, "ADDRESS",
     "address of the CM, e.g. tcp://10.0.0.1:7100; else $OMS_CM, else what `oms up` last started"},
    {"token-file", 0, "FILE",
     "file with the operator's token; else $OMS_TOKEN_FILE, else the installation's"},
    {"output", 'o', "FORM", "table (for people, the standard) or json (for programs)"},
    {"help", 'h', NULL, "show what a command does, with an example"},
    {0}};

const struct cli_command cli_commands[] = {
    {"up", NULL, "", 0, 0, "Start a one-host installation, or what is missing of it.",
     "oms up --dir ./var",
     OPTIONS(
         OPTION_DIR(
             "where everything is kept, made if absent (standard: ./var, or the one last started)"),
         {"idc", 0, "NAME", "data centre of this host (standard: idc1)"},
         {"region", 0, "NAME", "region of this host (standard: region1)"},
         {"name", 0, "NAME", "name of this host (standard: the system's)"},
         {"listen", 0, "ADDRESS", "where the CM listens (standard: tcp://127.0.0.1:0)"}),
     cli_up},
    {"down", NULL, "", 0, 0, "Stop all components and daemons of the installation; data stays.",
     "oms down --dir ./var",
     OPTIONS(OPTION_DIR("the installation's directory (standard: the one last started)")),
     cli_down},
    {"status", NULL, "", 0, 0, "Show the CM that answers.", "oms status", NO_OPTIONS, cli_status},
    {"datasource", "add", "", 0, 0, "Make a database server known, or change it.",
     "oms datasource add --example > shop.yaml\noms datasource add -f shop.yaml",
     OPTIONS(OPTION_FILE, OPTION_EXAMPLE,
             {"password-file", 0, "FILE", "file whose first line is the password"},
             {"replace", 0, NULL, "change the data source of that name"}),
     cli_datasource_add},
    {"datasource", "list", "", 0, 0, "List the data sources.", "oms datasource list", NO_OPTIONS,
     cli_datasource_list},
    {"datasource", "show", "NAME", 1, 1, "Show one data source.", "oms datasource show shop",
     NO_OPTIONS, cli_datasource_show},
    {"datasource", "test", "NAME", 1, 1, "Connect to a data source and tell what it is.",
     "oms datasource test shop", NO_OPTIONS, cli_datasource_test},
    {"datasource", "remove", "NAME", 1, 1, "Forget a data source that no project uses.",
     "oms datasource remove shop", NO_OPTIONS, cli_datasource_remove},
    {"project", "create", "", 0, 0, "Create a migration project from a file.",
     "oms project create --example > project.yaml\noms project create -f project.yaml",
     OPTIONS(OPTION_FILE, OPTION_EXAMPLE), cli_project_create},
    {"project", "start", "NAME", 1, 1, "Start a project; returns once the goal is recorded.",
     "oms project start shop-move", NO_OPTIONS, cli_project_start},
    {"project", "watch", "NAME", 1, 1, "Show a project live until it ends or --until is reached.",
     "oms project watch shop-move --until caught-up --timeout 600",
     OPTIONS({"until", 0, "STATE", "caught-up, verified or finished: leave with 0 then"},
             {"timeout", 0, "SECONDS", "leave with 4 after this time"}),
     cli_project_watch},
    {"project", "pause", "NAME", 1, 1, "Stop a project's components for a while; nothing is lost.",
     "oms project pause shop-move", NO_OPTIONS, cli_project_pause},
    {"project", "resume", "NAME", 1, 1, "Go on after a pause, or after a failure's cause is gone.",
     "oms project resume shop-move", NO_OPTIONS, cli_project_resume},
    {"project", "set", "NAME SECTION.KEY=VALUE...", 2, 20,
     "Change a cap of speed; a running project follows at once, without a restart.",
     "oms project set shop-move incremental.max_rows_per_second=1000\n"
     "oms project set shop-move full.max_rows_per_second=0",
     NO_OPTIONS, cli_project_set},
    {"project", "release", "NAME", 1, 1,
     "End a project: seal the target, so that nothing of OMS writes there any more.",
     "oms project release shop-move --finish",
     OPTIONS(
         {"finish", 0, NULL,
          "demand that it is caught up, then create foreign keys and triggers; without it their "
          "DDL is shown"}),
     cli_project_release},
    {"project", "list", "", 0, 0, "List the projects.", "oms project list", NO_OPTIONS,
     cli_project_list},
    {"project", "show", "NAME", 1, 1, "Show everything about one project.",
     "oms project show shop-move -o json",
     OPTIONS({"checks", 0, NULL, "every precheck item, the fine ones too"},
             {"objects", 0, NULL, "every schema object, the created ones too"}),
     cli_project_show},
    {"project", "skipped", "NAME", 1, 1,
     "Show the changes that were left out, by a person or by the policy, from the target's record.",
     "oms project skipped shop-move", NO_OPTIONS, cli_project_skipped},
    {"project", "remove", "NAME", 1, 1, "Forget a project that does not run.",
     "oms project remove shop-move", NO_OPTIONS, cli_project_remove},
    {"component", "list", "[PROJECT]", 0, 1, "List the components.", "oms component list shop-move",
     NO_OPTIONS, cli_component_list},
    {"component", "show", "ID", 1, 1, "Show one component.",
     "oms component show shop-move.incremental", NO_OPTIONS, cli_component_show},
    {"component", "logs", "ID", 1, 1, "Show a component's log.",
     "oms component logs shop-move.store -f",
     OPTIONS({"follow", 'f', NULL, "go on with what is written from now on"},
             {"lines", 'n', "COUNT", "how many of the last lines (standard: 200)"}),
     cli_component_logs},
    {"component", "restart", "ID", 1, 1, "Stop a component and start it again.",
     "oms component restart shop-move.incremental", NO_OPTIONS, cli_component_restart},
    {"host", "list", "", 0, 0, "List the hosts.", "oms host list", NO_OPTIONS, cli_host_list},
    {"host", "show", "NAME", 1, 1, "Show one host.", "oms host show db7", NO_OPTIONS,
     cli_host_show},
    {"store", "list", "", 0, 0, "List the stores: what each keeps, and who reads it.",
     "oms store list", NO_OPTIONS, cli_store_list},
    {"store", "show", "NAME", 1, 1,
     "Show one store: what is kept, what may be removed, its readers and tables.",
     "oms store show shop-move.store", NO_OPTIONS, cli_store_show},
    {"store", "dump", "NAME", 1, 1,
     "Print a store's records as lines of JSON: changes, DDL, heartbeats.",
     "oms store dump shop-move.store --from mariadb:0=1200 --limit 20\n"
     "oms store dump shop-move --from '2026-11-21 08:00:00' --table 'shop.orders'",
     OPTIONS({"from", 0, "PLACE",
              "begin with this transaction (mariadb:0=123) or commit time (UTC); else the oldest"},
             {"to", 0, "PLACE", "end with this transaction or commit time; else the newest"},
             {"table", 0, "PATTERN", "only tables like this: db.table with * ? [..]"},
             {"limit", 'n', "COUNT", "at most so many records"},
             {"follow", 'f', NULL, "go on with what comes"}),
     cli_store_dump},
    {"store", "trace", "NAME", 1, 1,
     "Print every version of one row in the log's order, followed when its key changes.",
     "oms store trace shop-move.store --table shop.orders --key id=17\n"
     "oms store trace shop-move --table shop.lines --key order_id=17,line=2",
     OPTIONS({"table", 0, "TABLE", "database.table on the source"},
             {"key", 0, "KEY", "the row's key: column=value[,column=value]"},
             {"from", 0, "PLACE", "begin with this transaction or commit time; else the oldest"},
             {"to", 0, "PLACE", "end with this transaction or commit time; else the newest"}),
     cli_store_trace},
    {"verify", "start", "NAME [TABLE...]", 1, 1000, "Compare source and target (again).",
     "oms verify start shop-move\noms verify start shop-move shop.orders", NO_OPTIONS,
     cli_verify_start},
    {"verify", "show", "NAME [TABLE]", 1, 2,
     "Show the verdict per table; of one table, the keys of the first rows that differ.",
     "oms verify show shop-move shop.orders", NO_OPTIONS, cli_verify_show},
    {"incident", "list", "[PROJECT]", 0, 1, "List what waits for a person.", "oms incident list",
     OPTIONS({"all", 0, NULL, "closed ones too"}), cli_incident_list},
    {"incident", "show", "ID", 1, 1, "Show one incident with its evidence and choices.",
     "oms incident show 12", NO_OPTIONS, cli_incident_show},
    {"incident", "resolve", "ID", 1, 1, "Answer an incident.",
     "oms incident resolve 12 --choice skip",
     OPTIONS({"choice", 0, "CHOICE", "one of the incident's choices"},
             {"sql", 0, "TEXT", "for run-instead: the statement to run on the target"},
             {"sql-file", 0, "FILE", "the same from a file"}),
     cli_incident_resolve},
    {"events", NULL, "", 0, 0, "Show what happened.", "oms events -f",
     OPTIONS({"follow", 'f', NULL, "go on with what happens from now on"},
             {"count", 'n', "COUNT", "how many of the last ones (standard: 50)"},
             {"subject", 0, "NAME", "of this project, component or host alone"}),
     cli_events},
    {"explain", NULL, "[CODE | lag PROJECT]", 0, 2,
     "Tell what an error code means and what to do; or what limits a project, and what would help.",
     "oms explain SERVER_DENIED\noms explain lag shop-move",
     OPTIONS({"markdown", 0, NULL, "all codes as a document"}), cli_explain},
    {"help", NULL, "[NOUN [VERB]]", 0, 2, "Show the commands.", "oms help project watch",
     OPTIONS({"markdown", 0, NULL, "all commands as a document"}), cli_help},
};
const size_t cli_n_commands = ARRAY_LEN(cli_commands);

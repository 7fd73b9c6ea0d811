"""Schema changes with a shadow table and a swap of names, as gh-ost and pt-online-schema-change make them, under writes."""
import threading

import pymysql
import pytest

from omslab import poll
from test_ddl_sync import assert_same, started

BUSY = (1205, 1213)  # lock wait, deadlock: the writer tries the next one


class Writer(threading.Thread):
    def __init__(self, case):
        super().__init__()
        self.server, self.db, self.done, self.error = case.source, case.db, threading.Event(), None

    def run(self):
        connection = self.server.connect(self.db)
        n = 0
        while not self.done.wait(0.004) and not self.error:
            n += 1
            try:
                with connection.cursor() as c:
                    c.execute(f"INSERT INTO t (id, v) VALUES ({10000 + n}, {n})")
                    c.execute(f"UPDATE t SET v = v + 1 WHERE id IN ({n}, {n + 500})")
                    c.execute(f"DELETE FROM t WHERE id = {2000 - n}")
            except pymysql.err.Error as e:
                self.error = None if e.args[0] in BUSY else e
        connection.close()


def chunks(case, to):
    for low in range(1, 2001, 400):
        case.sql(f"INSERT IGNORE INTO {to} (id, v) SELECT id, v FROM t WHERE id BETWEEN {low} AND {low + 399} LOCK IN SHARE MODE")


def waits_for_lock(server, start):
    return server.sql(f"SELECT 1 FROM information_schema.processlist WHERE info LIKE '{start}%' AND state LIKE 'Waiting%'")


def gh_ost(case):
    """Changelog table, ghost table, rows and changes copied by the tool; swap behind a sentry table and locks."""
    case.sql("CREATE TABLE _t_ghc (id BIGINT AUTO_INCREMENT, last_update TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE "
             "CURRENT_TIMESTAMP, hint VARCHAR(64) CHARSET ascii NOT NULL, value VARCHAR(4096) CHARSET ascii NOT NULL, PRIMARY KEY (id), "
             "UNIQUE KEY hint_uidx (hint)) AUTO_INCREMENT=256", f"CREATE /* gh-ost */ TABLE `{case.db}`.`_t_gho` LIKE `{case.db}`.`t`",
             f"ALTER /* gh-ost */ TABLE `{case.db}`.`_t_gho` ADD COLUMN w VARCHAR(9) NOT NULL DEFAULT 'new', MODIFY v BIGINT",
             "INSERT /* gh-ost */ INTO _t_ghc (id, hint, value) VALUES (NULLIF(1, 0), 'state', 'GhostTableMigrated') ON DUPLICATE KEY "
             "UPDATE last_update = NOW(), value = VALUES(value)")
    chunks(case, "_t_gho")
    case.sql("REPLACE INTO _t_gho (id, v) SELECT id, v FROM t WHERE v > id", "DELETE FROM _t_gho WHERE id BETWEEN 1990 AND 2000",
             f"CREATE /* gh-ost */ TABLE `{case.db}`.`_t_del` (id INT AUTO_INCREMENT PRIMARY KEY) COMMENT='ghost-cut-over-sentry'")
    locks = case.source.connect(case.db)
    swap = threading.Thread(target=case.sql, args=("RENAME /* gh-ost */ TABLE t TO _t_del, _t_gho TO t",))
    with locks.cursor() as c:
        c.execute("LOCK /* gh-ost */ TABLES t WRITE, _t_del WRITE")
        swap.start()
        poll.until(lambda: waits_for_lock(case.source, "RENAME /* gh-ost */"), 60, "the swap to wait for the locks")
        c.execute("DROP /* gh-ost */ TABLE IF EXISTS _t_del")
        c.execute("UNLOCK TABLES")
    swap.join()
    locks.close()
    case.sql("INSERT INTO t (id, v, w) VALUES (100000, 1, 'behind')", "DROP TABLE IF EXISTS _t_ghc", "DROP TABLE IF EXISTS _t_del")


def pt_osc(case):
    """New table, three triggers that copy each change, rows copied by the tool, swap."""
    name, db = f"pt_osc_{case.db}_t", case.db
    case.sql(f"CREATE TABLE `{db}`.`_t_new` LIKE `{db}`.`t`", f"ALTER TABLE `{db}`.`_t_new` ADD COLUMN w VARCHAR(9) NOT NULL DEFAULT 'new', "
             "MODIFY v BIGINT",
             f"CREATE TRIGGER `{name}_del` AFTER DELETE ON `{db}`.`t` FOR EACH ROW DELETE IGNORE FROM `{db}`.`_t_new` WHERE "
             f"`{db}`.`_t_new`.`id` <=> OLD.`id`",
             f"CREATE TRIGGER `{name}_upd` AFTER UPDATE ON `{db}`.`t` FOR EACH ROW BEGIN DELETE IGNORE FROM `{db}`.`_t_new` WHERE "
             f"!(OLD.`id` <=> NEW.`id`) AND `{db}`.`_t_new`.`id` <=> OLD.`id`; REPLACE INTO `{db}`.`_t_new` (`id`, `v`) VALUES "
             "(NEW.`id`, NEW.`v`); END",
             f"CREATE TRIGGER `{name}_ins` AFTER INSERT ON `{db}`.`t` FOR EACH ROW REPLACE INTO `{db}`.`_t_new` (`id`, `v`) VALUES "
             "(NEW.`id`, NEW.`v`)")
    chunks(case, "_t_new")
    case.sql(f"ANALYZE TABLE `{db}`.`_t_new` /* pt-online-schema-change */",
             f"RENAME TABLE `{db}`.`t` TO `{db}`.`_t_old`, `{db}`.`_t_new` TO `{db}`.`t`", f"DROP TABLE IF EXISTS `{db}`.`_t_old`",
             *(f"DROP TRIGGER IF EXISTS `{db}`.`{name}_{k}`" for k in ("del", "upd", "ins")),
             "INSERT INTO t (id, v, w) VALUES (100000, 1, 'behind')")


@pytest.mark.parametrize("tool", [gh_ost, pt_osc], ids=["gh-ost", "pt-osc"])
@pytest.mark.parametrize("shadow", ["followed", "outside"])
def test_an_online_schema_change_under_load_ends_equal_or_asks(lab, case, tool, shadow):
    if shadow == "outside":
        case.objects = f'  include: ["{case.db}.t"]\n  rename:\n    - {{from: {case.db}, to: {case.to}}}\n'
    started(case, "CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t SELECT seq, seq FROM seq_1_to_2000")
    writer = Writer(case)
    writer.start()
    try:
        tool(case)
        if shadow == "outside":
            incident = case.wait_incident("DDL_HELD")
            assert "copy-again" in incident["choices"] and f"{case.db}.t " in incident["evidence"]
            lab.oms.run("incident", "resolve", str(incident["id"]), "--choice", "copy-again")
            case.wait_step("full", "running", 30)
            case.wait_step("full", "done", 90)
    finally:
        writer.done.set()
        writer.join()
    assert writer.error is None
    assert_same(case)
    assert lab.target.count(f"{case.to}.t") > 1000
    assert [i for i in case.show()["incidents"] if i["state"] == "open"] == []

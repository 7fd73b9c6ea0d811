"""The bank: every transaction keeps sums and numbers; a snapshot of the target is never torn, whatever dies."""
import random

from chaos import Watch
from sides import check_model, differences
from test_main_job import kill, pids_of, supervisor_pid
from work import Work


def test_every_snapshot_of_the_target_is_whole_while_processes_are_killed(lab, case, seed):
    """A9, A10, A16, F1-F5 through the whole installation: kill -9 of Store, Incr-Sync and Supervisor."""
    rnd = random.Random(seed)
    lab.target.restarting = False
    work = Work(lab.source, case.db, seed, per_second=40).create().start()
    watch = Watch(lab.target, case.to)
    try:
        case.start()
        case.wait_caught_up(120)
        watch.start()
        for n in range(6):
            looks = watch.looks
            pids = pids_of(lab, case.project)
            for which in rnd.choice([["store"], ["incremental"], ["store", "incremental"]]):
                kill(pids[f"{case.project}.{which}"])
            if n % 3 == 2:
                kill(supervisor_pid(lab))
                lab.oms.up()
            case.wait_applied(120)
            case.wait(lambda v: watch.error or watch.looks > looks + 10, 60, "ten more looks at the target")
            work.check()
    finally:
        work.stop()
        watch.done.set()
        watch.join(10)
    assert watch.error is None, f"OMS_SEED={seed}: {watch.error}"
    case.wait_applied(120)
    different = differences(lab.source, case.db, lab.target, case.to, work.names())
    assert not different, f"OMS_SEED={seed}\n" + "\n".join(different)
    check_model(work, lab.target, case.to)
    verdicts = case.verify()
    assert set(verdicts.values()) == {"equal"}, f"OMS_SEED={seed}: {verdicts}"

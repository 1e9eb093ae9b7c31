"""The model store: versions, aliases, gates, rollback, and what survives concurrency and kills."""

import multiprocessing
import os
import signal
import time
from itertools import count
from pathlib import Path
from random import Random

import msgspec
import pytest
from bundle_samples import write_bundle
from store_work import ALIASES, PASSED, heard, killed_before_call, promote_and_roll_back, promote_often, register

from models.bundle.bundle import MANIFEST, Bundle
from models.bundle.errors import DamagedBundle, StoreError
from models.bundle.store import AliasRecord, ModelStore, Verdict

# Workers are forked from a process that holds the store alone: what other tests left in this one is not theirs.
CLEAN = multiprocessing.get_context("forkserver")
CLEAN.set_forkserver_preload(["models.bundle.store"])


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Three bundles of different content."""
    root = tmp_path_factory.mktemp("made")
    for number in range(3):
        write_bundle(root / str(number), label={"horizon": number})
    return [root / str(number) for number in range(3)]


@pytest.fixture
def store(tmp_path):
    ticks = count(1)
    return ModelStore(tmp_path / "store", clock=lambda: next(ticks))


@pytest.fixture
def filled(store, folders):
    for folder in folders:
        store.put(folder, "btc")
    return store


def test_versions_count_from_one_and_the_same_content_is_the_same_version(store, folders):
    assert [store.put(folder, "btc") for folder in (*folders, folders[1])] == [1, 2, 3, 2]
    assert store.put(folders[1], "eth") == 1
    assert store.names() == ("btc", "eth")
    assert [record.version for record in store.versions("btc")] == [1, 2, 3]
    assert len(list((store.root / "bundles").iterdir())) == 3
    assert store.resolve("btc", 2).digest == Bundle.load(folders[1]).digest


def test_a_bundle_whose_certificate_failed_is_not_stored(store, tmp_path):
    write_bundle(tmp_path / "failed", certificate={"passed": False, "reasons": ["xgboost: differs by 0.1"]})
    write_bundle(tmp_path / "none", certificate={})
    with pytest.raises(StoreError, match=r"xgboost: differs by 0\.1"):
        store.put(tmp_path / "failed", "btc")
    with pytest.raises(StoreError, match="it has none"):
        store.put(tmp_path / "none", "btc")
    assert store.versions("btc") == ()
    assert not (store.root / "bundles").exists()


def test_a_damaged_bundle_is_not_stored(store, tmp_path):
    write_bundle(tmp_path / "bundle")
    (tmp_path / "bundle" / "model.onnx").write_bytes(b"")
    with pytest.raises(DamagedBundle):
        store.put(tmp_path / "bundle", "btc")
    assert not store.root.exists()


def test_promotion_and_rollback(filled):
    filled.promote("btc", 1, "champion", PASSED, "ann")
    filled.promote("btc", 2, "champion", PASSED, "bob")
    third = filled.promote("btc", 3, "champion", PASSED, "cyd")
    assert (third.change, third.previous, third.person) == (3, 2, "cyd")
    filled.promote("btc", 3, "challenger", PASSED, "dee")
    assert filled.resolve("btc", "champion").digest == filled.versions("btc")[2].digest
    assert [filled.rollback("btc", "champion", "eve").version for _ in range(2)] == [2, 1]
    with pytest.raises(StoreError, match="nothing before it"):
        filled.rollback("btc", "champion")
    assert filled.resolve("btc", "champion").digest == filled.versions("btc")[0].digest
    filled.promote("btc", 3, "champion", PASSED, "ann")
    assert filled.rollback("btc", "champion").version == 1
    history = [(r.alias, r.change, r.version, r.action) for r in filled.history("btc")]
    assert history == [
        ("champion", 1, 1, "promote"),
        ("champion", 2, 2, "promote"),
        ("champion", 3, 3, "promote"),
        ("challenger", 1, 3, "promote"),
        ("champion", 4, 2, "rollback"),
        ("champion", 5, 1, "rollback"),
        ("champion", 6, 3, "promote"),
        ("champion", 7, 1, "rollback"),
    ]
    times = [record.at for record in filled.history("btc")]
    assert times == sorted(set(times))


def test_rollback_goes_to_another_version_however_often_one_was_promoted(filled):
    """As after a kill between the alias and MLflow's mirror, when a promotion is made again."""
    for version in (1, 2, 2, 2):
        last = filled.promote("btc", version, "champion", PASSED, "ann")
    assert (last.change, last.previous) == (4, 1)
    assert filled.rollback("btc", "champion", "bob").version == 1
    again = filled.promote("btc", 1, "champion", PASSED, "ann")
    assert again.previous == 0
    with pytest.raises(StoreError, match="nothing before it"):
        filled.rollback("btc", "champion", "bob")
    for version in (2, 3, 3):
        filled.promote("btc", version, "champion", PASSED, "ann")
    assert [filled.rollback("btc", "champion", "bob").version for _ in range(2)] == [2, 1]
    assert [record.change for record in filled.history("btc")] == list(range(1, 12))


def test_repetitions_that_an_earlier_release_recorded_are_passed_over(filled):
    """There each promotion named the change before it, of whatever version."""
    for version in (1, 2, 2, 3, 3):
        last = filled.promote("btc", version, "champion", PASSED, "ann")
    history = filled.root / "models" / "btc" / "history.jsonl"
    old = [msgspec.structs.replace(one, previous=one.change - 1) for one in filled.history("btc")]
    history.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in old))
    (filled.root / "aliases" / "btc" / "champion.json").write_bytes(msgspec.json.encode(old[-1]))
    assert last.previous == 3
    assert [filled.rollback("btc", "champion", "bob").version for _ in range(2)] == [2, 1]
    with pytest.raises(StoreError, match="nothing before it"):
        filled.rollback("btc", "champion", "bob")
    assert len(filled.history("btc")) == 7


def test_a_rollback_has_no_verdicts_and_no_reason_of_its_own(filled):
    """They are of the promotion that it restores; an earlier release copied them to whoever rolled back."""
    failed = (Verdict("profit", False, "loss"),)
    first = filled.promote("btc", 1, "champion", failed, "ann", "rehearsal")
    filled.promote("btc", 2, "champion", PASSED, "ann")
    back = filled.rollback("btc", "champion", "bob")
    assert (back.person, back.action, back.verdicts, back.override) == ("bob", "rollback", (), None)
    assert filled.history("btc")[0] == first
    copied = msgspec.to_builtins(back) | {"verdicts": msgspec.to_builtins(failed), "override": "rehearsal"}
    (filled.root / "aliases" / "btc" / "champion.json").write_bytes(msgspec.json.encode(copied))
    assert filled.aliases("btc")["champion"] == back


@pytest.mark.parametrize("alias", ["champoin", "Champion", "production", "9"])
def test_an_alias_that_there_is_not_is_refused_by_all_that_take_one(filled, alias):
    for call in (
        lambda: filled.promote("btc", 1, alias, PASSED, "ann", override="in a hurry"),
        lambda: filled.rollback("btc", alias),
        lambda: filled.resolve("btc", alias),
        lambda: filled.change("btc", alias),
    ):
        with pytest.raises(StoreError, match=f"there is no alias '{alias}', only challenger and champion"):
            call()
    assert filled.history("btc") == ()
    assert filled.aliases("btc") == {}


def test_an_alias_of_an_earlier_release_is_still_read(filled):
    record = AliasRecord("btc", "paper", 2, filled.versions("btc")[1].digest, 1, 0, 0, "ann", PASSED)
    (filled.root / "aliases" / "btc").mkdir(parents=True)
    (filled.root / "aliases" / "btc" / "paper.json").write_bytes(msgspec.json.encode(record))
    (filled.root / "models" / "btc" / "history.jsonl").write_bytes(msgspec.json.encode(record) + b"\n")
    assert filled.aliases("btc") == {"paper": record}
    filled.promote("btc", 1, "champion", PASSED, "ann")
    assert [(one.alias, one.version) for one in filled.history("btc")] == [("paper", 2), ("champion", 1)]


def test_a_misspelt_model_is_named_with_what_may_be_meant(filled, folders):
    filled.put(folders[0], "eth")
    for call in (
        lambda: filled.promote("btcc", 1, "champion", PASSED, "ann"),
        lambda: filled.rollback("btcc", "champion"),
        lambda: filled.resolve("btcc", 1),
        lambda: filled.resolve("btcc", "champion"),
    ):
        with pytest.raises(StoreError, match=r"there is no model 'btcc' in .*, only btc, eth; did you mean 'btc'\?"):
            call()
    assert filled.names() == ("btc", "eth")


def test_refusal_is_the_default(filled):
    failed = (*PASSED, Verdict("calibration", False, "error 0.08 above 0.05"))
    with pytest.raises(StoreError, match=r"calibration: error 0\.08 above 0\.05"):
        filled.promote("btc", 1, "champion", failed, "ann")
    with pytest.raises(StoreError, match="no gate was run"):
        filled.promote("btc", 1, "champion", (), "ann")
    with pytest.raises(StoreError, match="An override needs a reason"):
        filled.promote("btc", 1, "champion", failed, "ann", override=" ")
    assert filled.aliases("btc") == {}
    record = filled.promote("btc", 1, "champion", failed, "ann", override="drill")
    assert (record.override, record.verdicts) == ("drill", failed)
    assert filled.aliases("btc") == {"champion": record}


def test_what_is_not_there_is_named(filled):
    for call, message in [
        (lambda: filled.resolve("btc", 9), "no version 9"),
        (lambda: filled.resolve("btc", "champion"), "no alias 'champion'"),
        (lambda: filled.promote("btc", 9, "champion", PASSED, "ann"), "no version 9"),
        (lambda: filled.put(Path("x"), "../escape"), "escape"),
        (lambda: filled.promote("btc", 1, "9", PASSED, "ann"), "alias '9'"),
        (lambda: filled.rollback("btc", "champion"), "nothing before"),
    ]:
        with pytest.raises(StoreError, match=message):
            call()


def test_a_bundle_changed_in_the_store_is_refused(filled):
    digest = filled.versions("btc")[0].digest
    manifest = filled.root / "bundles" / digest / MANIFEST
    manifest.write_bytes(manifest.read_bytes().replace(b'"horizon":0', b'"horizon":7'))
    with pytest.raises(DamagedBundle):
        filled.resolve("btc", 1)
    with pytest.raises(DamagedBundle):
        filled.promote("btc", 1, "champion", PASSED, "ann")


def test_bundles_swapped_in_the_store_are_refused(filled):
    first, second = (filled.root / "bundles" / record.digest for record in filled.versions("btc")[:2])
    first.rename(first.with_name("aside"))
    second.rename(first)
    with pytest.raises(StoreError, match="changed by hand"):
        filled.resolve("btc", 1)


def test_a_torn_line_is_cut_off_by_the_next_writer(filled, folders):
    file = filled.root / "models" / "btc" / "versions.jsonl"
    content = file.read_bytes()
    file.write_bytes(content[:-20])
    assert [record.version for record in filled.versions("btc")] == [1, 2]
    assert filled.put(folders[2], "btc") == 3
    assert [record.version for record in filled.versions("btc")] == [1, 2, 3]


def test_a_change_that_did_not_reach_the_history_does_later(filled):
    filled.promote("btc", 1, "champion", PASSED, "ann")
    second = filled.promote("btc", 2, "champion", PASSED, "bob")
    history = filled.root / "models" / "btc" / "history.jsonl"
    history.write_bytes(history.read_bytes().splitlines(keepends=True)[0])
    assert filled.resolve("btc", "champion").digest == second.digest
    filled.promote("btc", 3, "champion", PASSED, "cyd")
    assert [(record.change, record.person) for record in filled.history("btc")] == [(1, "ann"), (2, "bob"), (3, "cyd")]


def test_a_promotion_whose_champion_moved_meanwhile_is_refused(filled):
    """Two people had their models compared with the first champion; the second one's verdicts are about another."""
    filled.promote("btc", 1, "champion", PASSED, "ann")
    since = filled.change("btc", "champion")
    filled.promote("btc", 2, "champion", PASSED, "bob", since=since)
    with pytest.raises(StoreError, match=r"moved to version 2 by bob while the gates ran.*promote again"):
        filled.promote("btc", 3, "champion", PASSED, "cyd", since=since)
    with pytest.raises(StoreError, match="while the gates ran"):
        filled.promote("btc", 3, "champion", PASSED, "cyd", override="in a hurry", since=since)
    assert filled.aliases("btc")["champion"].version == 2
    assert filled.change("btc", "challenger") == 0
    filled.promote("btc", 3, "challenger", PASSED, "cyd", since=0)
    with pytest.raises(StoreError, match="moved to version 3"):
        filled.promote("btc", 1, "challenger", PASSED, "ann", since=0)


@pytest.mark.parametrize("lost", ["nothing", "the last line", "half of the last line"])
def test_rollback_twice_after_a_crash(filled, lost):
    """The third promotion was killed after the alias moved, before, or while, its line reached the history."""
    for version, person in ((1, "ann"), (2, "bob"), (3, "cyd")):
        filled.promote("btc", version, "champion", PASSED, person)
    file = filled.root / "models" / "btc" / "history.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    cut = {"nothing": lines, "the last line": lines[:2], "half of the last line": [*lines[:2], lines[2][:40]]}
    file.write_bytes(b"".join(cut[lost]))
    assert filled.resolve("btc", "champion").digest == filled.versions("btc")[2].digest
    assert [filled.rollback("btc", "champion", "dee").version for _ in range(2)] == [2, 1]
    changes = filled.history("btc")
    assert [(one.change, one.version, one.action) for one in changes] == [
        (1, 1, "promote"),
        (2, 2, "promote"),
        (3, 3, "promote"),
        (4, 2, "rollback"),
        (5, 1, "rollback"),
    ]
    assert filled.aliases("btc")["champion"] == changes[-1]


def words(failed):
    return failed.read_text() if failed.exists() else "no word of it"


def before_promotion(changes, one):
    """What a promotion has before it: the change before, or what that has if it is of the same version."""
    if one.change == 1:
        return 0
    last = changes[one.change - 2]
    return last.previous if last.version == one.version else last.change


def test_concurrent_promotions_are_serialised(filled, tmp_path):
    context = multiprocessing.get_context("spawn")
    failed = tmp_path / "failed"
    workers = [
        context.Process(target=heard, args=(failed, promote_often, filled.root, f"worker {number}", 8))
        for number in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0, words(failed)
    changes = filled.history("btc")
    assert [record.change for record in changes] == list(range(1, 25))
    assert [record.previous for record in changes] == [before_promotion(changes, record) for record in changes]
    assert filled.aliases("btc")["champion"] == changes[-1]


def check_kill(number, root, folders):
    """Whether the worker was killed; the store must be whole, and doing the work again must complete it."""
    failed = root.with_suffix(".failed")
    worker = CLEAN.Process(target=heard, args=(failed, killed_before_call, number, root, folders))
    worker.start()
    worker.join()
    assert worker.exitcode in (0, -signal.SIGKILL), words(failed)
    store = ModelStore(root)
    if "champion" in store.aliases("btc"):
        store.resolve("btc", "champion")
    for record in store.versions("btc"):
        store.resolve("btc", record.version)
    register(root, folders)
    assert [record.version for record in store.versions("btc")] == [1, 2]
    changes = store.history("btc")
    assert [record.change for record in changes] == list(range(1, len(changes) + 1))
    assert len(changes) <= 4
    assert store.aliases("btc")["champion"] == changes[-1]
    assert changes[-1].version == 2
    left = [path.name for path in root.rglob(".*") if path.name != ".lock"]
    assert left == []
    return worker.exitcode != 0


def test_kills_leave_the_store_whole(tmp_path, folders):
    """At every fifteenth of the calls that change the disk."""
    number = 1
    while check_kill(number, tmp_path / str(number), folders):
        number += 15
    assert number > 50


@pytest.mark.long
def test_a_kill_before_any_call_leaves_the_store_whole(tmp_path, folders):
    number = 1
    while check_kill(number, tmp_path / str(number), folders):
        number += 1
    assert number > 50


def check_whole(store):
    """What holds at every moment, whoever is being killed: each alias is one record, of a version there is."""
    for alias, record in store.aliases("btc").items():
        assert (record.name, record.alias) == ("btc", alias)
        assert store.versions("btc")[record.version - 1].digest == record.digest
        assert len(list((store.root / "aliases" / "btc").glob(f"{alias}*.json"))) == 1


def check_history(store):
    """Of each alias: every change once, numbered without a hole, each rollback to what its number says."""
    for alias in ALIASES:
        changes = [one for one in store.history("btc") if one.alias == alias]
        assert [one.change for one in changes] == list(range(1, len(changes) + 1))
        assert store.aliases("btc")[alias] == changes[-1]
        for one in changes:
            if one.action == "promote":
                assert one.previous == before_promotion(changes, one)
            else:
                assert one.version != changes[one.change - 2].version
                restored = changes[changes[one.change - 2].previous - 1]
                assert (one.version, one.previous) == (restored.version, restored.previous)


def hammer(store, kills, seed):
    """Three processes promote and roll back without end; one after another is killed at a random moment.

    Not before the last kill's survivors have written again, however slow the machine: every kill meets writers at work.
    """
    random, numbers = Random(seed), count()

    def started():
        number = next(numbers)
        worker = CLEAN.Process(target=promote_and_roll_back, args=(store.root, f"worker {number}", seed + number))
        worker.start()
        return worker

    workers = [started() for _ in range(3)]
    try:
        for _ in range(kills):
            written = len(store.history("btc"))
            while len(store.history("btc")) < written + 2:
                assert any(worker.is_alive() for worker in workers), [worker.exitcode for worker in workers]
                time.sleep(0.005)
            time.sleep(0.05 * random.random())
            victim = workers.pop(random.randrange(len(workers)))
            os.kill(victim.pid, signal.SIGKILL)
            victim.join()
            assert victim.exitcode == -signal.SIGKILL
            check_whole(store)
            workers.append(started())
    finally:
        for worker in workers:
            worker.kill()
            worker.join()


def check_hammered(store, kills, seed):
    for alias in ALIASES:
        store.promote("btc", 1, alias, PASSED, "ann")
    hammer(store, kills, seed)
    for alias in ALIASES:
        store.promote("btc", 2, alias, PASSED, "ann")
    check_whole(store)
    check_history(store)
    assert [path.name for path in store.root.rglob(".*") if path.name != ".lock"] == []
    assert len(store.history("btc")) >= 2 * kills + 2 * len(ALIASES)


def test_killed_writers_leave_one_champion_and_a_whole_history(filled):
    check_hammered(filled, kills=25, seed=1)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 6))
def test_many_killed_writers_leave_one_champion_and_a_whole_history(filled, seed):
    check_hammered(filled, kills=200, seed=100 * seed)

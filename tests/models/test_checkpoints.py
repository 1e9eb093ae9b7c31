"""A network's fit that is killed goes on from its last epoch, and ends with the bytes of one that was not."""

import signal
import subprocess
import sys

import pytest

from models.members.along import Along
from tests.models.fit_work import SMALL, small_fit, word

EPOCHS = SMALL["epochs"]


class StoppedError(Exception):
    """Ends a fit where a kill would."""


def stop_after(fraction):
    def progress(what, done):
        if done > fraction:
            raise StoppedError

    return progress


def epochs_of(along, name="lstm", **options):
    """The fit, and the epochs that it went through."""
    seen = []
    fitted = small_fit(name, lambda what, fraction: seen.append(what), along, **options)
    return fitted, {int(what.split()[2]) for what in seen[:-1]}


def test_killed_in_the_middle_of_an_epoch_a_fit_ends_with_the_same_bytes(tmp_path):
    file = tmp_path / "kept" / "lstm"
    command = [sys.executable, "-m", "tests.models.fit_work", "lstm", str(file), str(3.4 / EPOCHS)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    fitted, epochs = epochs_of(Along(file))
    assert epochs == {4, 5, 6}
    assert word(fitted) == word(small_fit("lstm"))
    assert fitted.record.notes["best_epoch"] > 0


@pytest.mark.parametrize(("name", "options"), [("lstm", {"bf16": True}), ("tcn", {})], ids=["lstm in bf16", "tcn"])
def test_broken_off_again_and_again_it_ends_with_the_same_bytes(tmp_path, name, options):
    along = Along(tmp_path / name)
    for fraction in (0.5, 1.5, 1.9, 4.2):
        with pytest.raises(StoppedError):
            small_fit(name, stop_after(fraction / EPOCHS), along, **options)
    assert word(small_fit(name, along=along, **options)) == word(small_fit(name, **options))


def test_a_finished_or_stopped_fit_goes_through_no_epoch_again(tmp_path):
    for name, options in {"whole": {}, "early": {"patience": 1, "learning_rate": 0.3}}.items():
        along = Along(tmp_path / name)
        first = small_fit("lstm", along=along, **options)
        again, epochs = epochs_of(along, **options)
        assert epochs == set()
        assert word(again) == word(first)
    assert len(first.record.curves["train_log_loss"]) < EPOCHS


def test_the_curves_of_a_fit_that_goes_on_are_told_from_their_beginning(tmp_path):
    told, along = [], Along(tmp_path / "lstm")
    with pytest.raises(StoppedError):
        small_fit("lstm", stop_after(2.5 / EPOCHS), along)
    fitted = small_fit("lstm", along=Along(along.checkpoint, lambda values, step: told.append((step, values))))
    assert [step for step, _ in told] == list(range(EPOCHS + 1))
    assert [one["validation_log_loss"] for _, one in told] == fitted.record.curves["validation_log_loss"]


@pytest.mark.parametrize("other", [{"seed": 8}, {"learning_rate": 0.02}, {"dropout": 0.2}, {"weight_decay": 0.0}])
def test_the_checkpoint_of_another_fit_is_not_gone_on_from(tmp_path, other):
    along = Along(tmp_path / "lstm")
    small_fit("lstm", along=along)
    fitted, epochs = epochs_of(along, **other)
    assert epochs == set(range(1, EPOCHS + 1))
    assert word(fitted) == word(small_fit("lstm", **other))


@pytest.mark.parametrize("damage", [lambda content: content[:-7], lambda content: content[:40] + b"x" + content[41:]])
def test_a_damaged_checkpoint_is_as_good_as_none(tmp_path, damage):
    along = Along(tmp_path / "lstm")
    small_fit("lstm", along=along)
    along.checkpoint.write_bytes(damage(along.checkpoint.read_bytes()))
    assert along.load() is None
    assert epochs_of(along)[1] == set(range(1, EPOCHS + 1))
    assert [path.name for path in tmp_path.iterdir()] == ["lstm"]

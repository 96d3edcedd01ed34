"""A listener that nobody made ignores everything."""

from pathlib import Path

from alignbench.alignet.training.listener import TrainingListener
from students import Stopping, make_job, train


def test_training_is_silent_without_one_and_tells_one_everything(inputs: Path, tmp_path: Path, capfd: object) -> None:
    heard: list[str] = []

    class Hearing(Stopping):
        def first_step(self, seen: dict[str, float]) -> None:
            heard.append(f"first {sorted(seen)}")

        def logged(self, row: dict[str, float]) -> None:
            heard.append(f"row {row['step']:g}")

    train(make_job(inputs), tmp_path / "one", TrainingListener())
    told = capfd.readouterr()  # type: ignore[attr-defined]
    assert (told.out, told.err) == ("", "")
    train(make_job(inputs), tmp_path / "two", Hearing(0, lambda: None))
    assert heard == ["first ['gradient_norm', 'gradient_rms', 'target_entropy']", "row 7", "row 14", "row 20"]

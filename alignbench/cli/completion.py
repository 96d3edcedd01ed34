"""What a shell offers for a value that is being typed: names; where it has none to offer, it offers files itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import typer

from alignbench.errors import AlignbenchError

Completion = Callable[[str], list[str]]


def one_of(*names: str) -> Completion:
    """Offer some names, of which one is wanted."""

    def complete(incomplete: str) -> list[str]:
        return _beginning(names, incomplete)

    return complete


def models(incomplete: str) -> list[str]:
    """Offer the models that are known by name, several by commas, and those of `random:` once that is begun."""
    from alignbench.models.cards import cards
    from alignbench.models.families import RANDOM_PREFIX

    known = list(cards())
    drawn = [f"{RANDOM_PREFIX}{name}" for name in known] if incomplete.rpartition(",")[2] else []
    return _last_of_several([*known, *drawn], incomplete)


def models_and_baselines(incomplete: str) -> list[str]:
    """Offer what can be measured and is known by name."""
    from alignbench.models.pair_metrics import METRICS

    return sorted({*models(incomplete), *_last_of_several(METRICS.names(), incomplete)})


def labellers(incomplete: str) -> list[str]:
    """Offer the labellers of heads."""
    from alignbench.interpret.labelling.labeller import LABELLERS

    return _beginning(LABELLERS.names(), incomplete)


def data_sets(incomplete: str) -> list[str]:
    """Offer the data sets, several by commas."""
    from alignbench.datasets import DATASETS

    return _last_of_several(DATASETS.names(), incomplete)


def subsets(context: typer.Context, incomplete: str) -> list[str]:
    """Offer the subsets of the data set that was named before, several by commas."""
    from alignbench.datasets import DATASETS

    given = str(context.params.get("dataset") or context.params.get("name") or "")
    try:
        names = {subset for name in given.split(",") if name in DATASETS for subset in DATASETS.load(name).subsets}
    except AlignbenchError:  # a plug-in that cannot be used
        return []
    return _last_of_several(sorted(names), incomplete)


def distances(incomplete: str) -> list[str]:
    """Offer the distances of towers, several by commas, and `all`."""
    from alignbench.distances.names import DISTANCES

    return _last_of_several((*DISTANCES, "all"), incomplete)


def transforms(incomplete: str) -> list[str]:
    """Offer the published transforms, and the word for the model's own of these."""
    from alignbench.transforms.published import PUBLISHED

    return _beginning(["published", *PUBLISHED], incomplete)


def published_models(incomplete: str) -> list[str]:
    """Offer the models whose scores are published, several by commas."""
    from alignbench.results.published import published_curves

    return _last_of_several(dict.fromkeys(published_curves()["model"]), incomplete)


def sweeps(incomplete: str) -> list[str]:
    """Offer the sweeps that come with the package."""
    from alignbench.sweeps.shipped import shipped_sweeps

    return _beginning(shipped_sweeps(), incomplete)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _last_of_several(names: Iterable[str], incomplete: str) -> list[str]:
    """Complete the last of several names; those that were given before it are not offered again."""
    before, comma, last = incomplete.rpartition(",")
    given = before.split(",")
    return [f"{before}{comma}{name}" for name in _beginning(names, last) if name not in given]

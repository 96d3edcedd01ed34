"""Where every number of the page is from: how the runs were made, what is the same in all of them and what is not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from alignbench.report.page.plain_tables import NONE, Plain, plain

if TYPE_CHECKING:
    from alignbench.study.study import StudyRun

_FINGERPRINT = 12
_FEW = 4


def provenance(runs: Sequence[StudyRun]) -> tuple[dict[str, str], Plain]:
    """How the runs were made: what is the same in all of them, and a table of what is not."""
    facts = pd.DataFrame([_facts(run) for run in runs]).fillna("")
    same = [name for name in facts if name != "run" and len(runs) > 1 and facts[name].nunique() == 1]
    common = {name: facts[name].iloc[0] for name in same}
    return {name: value for name, value in common.items() if value not in ("", NONE)}, plain(facts.drop(columns=same))


def _facts(run: StudyRun) -> dict[str, str]:
    """Of a run: its folder's name, judgments, settings and versions, but no places on the machine it ran on."""
    record, settings = run.record, run.settings.to_json()
    counts = run.curve.primary().groupby("subset", sort=False)["n"].max()
    facts = {"run": run.folder.name, "model": str(settings.pop("model", run.label))}
    settings.pop("subset", None)
    facts["judgments"] = ", ".join(f"{name} {n:,}" for name, n in counts.items())
    facts |= {name.replace("_", " "): _setting(name, value) for name, value in settings.items()}
    facts |= {"projection": record.projection, "trained on": record.trained_on}
    facts |= {"observers": record.observers, "interval": ", ".join(dict.fromkeys(run.stored.intervals.values()))}
    if run.stored.is_older:
        facts["interval"] += " (scored anew: an earlier version measured it)"
    facts["device"] = str(record.execution.get("device", ""))
    return facts | {name: str(version) for name, version in record.versions.items()}


def _setting(name: str, value: Any) -> str:
    if value is None:
        return NONE
    if name == "transform" and isinstance(value, dict):
        return f"{value['name']} at {value['layer']} ({value['sha256'][:_FINGERPRINT]})"
    if "fingerprint" in name:
        return str(value)[:_FINGERPRINT]
    if isinstance(value, list):
        shown = [str(one) for one in value]
        return ", ".join(shown) if len(shown) <= _FEW else f"{len(shown)}: {shown[0]} .. {shown[-1]}"
    return json.dumps(value) if isinstance(value, dict | bool) else str(value)

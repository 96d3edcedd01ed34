"""The commands, put together: `app` is what the command line's entry runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final

import typer

from alignbench.cli.checked import CheckedCommand, epilog
from alignbench.cli.commands import (
    cache,
    catalogue,
    compare,
    demo,
    evaluate,
    extract,
    leaderboard,
    learn,
    plan,
    pull,
    report,
    reproduce,
    run,
    sweep,
    transform,
    wandb_view,
)
from alignbench.cli.commands.alignet import alignet_app, cluster, label, sample, teacher, train
from alignbench.cli.commands.alignet import demo as alignet_demo
from alignbench.cli.commands.alignet import evaluate as alignet_evaluate
from alignbench.cli.commands.alignet import plan as alignet_plan
from alignbench.cli.commands.interpret import ablate, align, decompose, interpret_app, score, search, textspan
from alignbench.cli.commands.interpret import app as interpret_browser
from alignbench.cli.commands.interpret import demo as interpret_demo
from alignbench.cli.commands.interpret import label as interpret_label
from alignbench.cli.commands.interpret import plan as interpret_plan

app = typer.Typer(
    name="alignbench",
    help="How close is a model's idea of 'looks alike' to people's, and at which depth?",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
_models, _datasets, _transform = catalogue.models_app, catalogue.datasets_app, transform.transform_app
_alignet, _interpret, _wandb = alignet_app, interpret_app, wandb_view.wandb_app
_COMMANDS: Final[tuple[tuple[typer.Typer, str, Callable[..., int | None], str], ...]] = (  # each with an example
    (app, "run", run.run, "run --model shapes-clip --dataset shapes-low"),
    (app, "demo", demo.demo, "demo"),
    (app, "sweep", sweep.sweep, "sweep architecture --output runs"),
    (app, "plan", plan.plan, "plan --model openai/clip-vit-base-patch32 --dataset tid2013"),
    (app, "compare", compare.compare, "compare shapes-clip pixels --runs demo"),
    (app, "reproduce", reproduce.reproduce, "reproduce runs"),
    (app, "report", report.report, "report runs --output report.html"),
    (app, "leaderboard", leaderboard.leaderboard, "leaderboard runs"),
    (app, "pull", pull.pull, "pull my-team/alignbench --output runs"),
    (_wandb, "setup", wandb_view.setup, "wandb setup my-team/alignbench"),
    (_models, "show", catalogue.show, "models show torchvision:resnet50"),
    (app, "extract", extract.extract, "extract --model shapes-clip --images pictures --output features.npz"),
    (_datasets, "check", catalogue.check, "datasets check tid2013 --data-root ~/data/tid2013"),
    (_datasets, "cache", cache.cache, "datasets cache things"),
    (_transform, "apply", transform.apply, "transform apply --transform T.npz --features F.npz --output aligned.npz"),
    (_transform, "list", transform.list_published, "transform list"),
    (_transform, "learn", learn.learn, "transform learn --model shapes-clip --dataset shapes-high --subset test"),
    (_transform, "evaluate", evaluate.evaluate, "transform evaluate --model shapes-clip --transform T.safetensors"),
    (_alignet, "teacher", teacher.teacher, "alignet teacher --model shapes-clip --dataset shapes-high"),
    (_alignet, "cluster", cluster.cluster, "alignet cluster --features F.safetensors --teacher T --clusters 500"),
    (_alignet, "sample", sample.sample, "alignet sample --clusters FOLDER --count 10000000"),
    (_alignet, "label", label.label, "alignet label --triplets FOLDER --features F.safetensors --teacher T"),
    (_alignet, "train", train.train, "alignet train --model shapes-clip --triplets FOLDER --images pictures"),
    (_alignet, "evaluate", alignet_evaluate.evaluate, "alignet evaluate --after STUDENT --dataset things,levels"),
    (_alignet, "plan", alignet_plan.plan, "alignet plan --model openai/clip-vit-base-patch32 --devices 1,8"),
    (_alignet, "demo", alignet_demo.demo, "alignet demo"),
    (_interpret, "decompose", decompose.decompose, "interpret decompose --model shapes-clip --images pictures"),
    (_interpret, "textspan", textspan.textspan, "interpret textspan --heads heads/STORE --picks 20"),
    (_interpret, "ablate", ablate.ablate, "interpret ablate --heads heads/STORE --group 5.3,6.0"),
    (_interpret, "search", search.search, "interpret search text --heads heads/STORE --text 'a red circle'"),
    (_interpret, "label", interpret_label.label, "interpret label --textspan heads/TEXTS --labeller words"),
    (_interpret, "score", score.score, "interpret score --labels heads/LABELS --judge prototypes --model NAME"),
    (_interpret, "align", align.align, "interpret align --model shapes-clip --dataset shapes-high"),
    (_interpret, "app", interpret_browser.app, "interpret app --store heads/STORE --images pictures"),
    (_interpret, "plan", interpret_plan.plan, "interpret plan --model openai/clip-vit-large-patch14 --images 50000"),
    (_interpret, "demo", interpret_demo.demo, "interpret demo"),
)
for _app, _name, _command, _example in _COMMANDS:
    _app.command(_name, cls=CheckedCommand, epilog=epilog(_example))(_command)
app.add_typer(_models, name="models")
app.add_typer(_datasets, name="datasets")
app.add_typer(_transform, name="transform")
app.add_typer(_alignet, name="alignet")
app.add_typer(_interpret, name="interpret")
app.add_typer(_wandb, name="wandb")


def _show_version(wanted: bool) -> None:
    if wanted:
        from alignbench import __version__

        print(f"alignbench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; goes with every command.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """How close is a model's idea of 'looks alike' to people's, and at which depth?"""

"""What options a command has, as the parameters of a sweep file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args, get_type_hints

from alignbench.sweeps.values import Option


def options_of(command: Callable[..., Any]) -> dict[str, Option]:
    """The options of a command by their names, without the leading hyphens.

    Args:
        command: The function of the command, with annotations such as `Annotated[int, typer.Option(...)]`.
    """
    found = {}
    for parameter, annotation in get_type_hints(command, include_extras=True).items():
        if parameter == "return":
            continue
        # `Annotated[int | None, typer.Option()]`, or a bare type
        kind, *extras = get_args(annotation) if hasattr(annotation, "__metadata__") else (annotation,)
        named = [word for extra in extras for word in getattr(extra, "param_decls", None) or ()]
        name = next((word[2:] for word in named if word.startswith("--")), parameter.replace("_", "-"))
        kinds = {kind, *get_args(kind)}
        found[name] = Option(name, "flag" if bool in kinds else "number" if int in kinds else "text")
    return found

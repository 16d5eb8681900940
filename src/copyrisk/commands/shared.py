"""What all commands are made with."""

from collections.abc import Callable
from dataclasses import Field
from pathlib import Path
from typing import Any, get_args, get_type_hints

import click

from copyrisk.options import flag


def with_options(chosen: list["Field[Any]"], cls: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make click options of dataclass fields."""
    hints = get_type_hints(cls)

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for each in reversed(chosen):
            kinds = [kind for kind in get_args(hints[each.name]) or (hints[each.name],) if kind is not type(None)]
            command = click.option(
                *{each.metadata.get("spelled", flag(each.name)): 0, flag(each.name): 0},
                each.name,
                default=each.default,
                show_default=each.default not in (None, False, ()),
                multiple=isinstance(each.default, tuple),
                help=each.metadata["help"],
                **(
                    {"is_flag": True}
                    if kinds[0] is bool
                    else {"type": click.Path(path_type=Path) if kinds[0] is Path else kinds[0]}
                ),
            )(command)
        return command

    return decorate


def given(ctx: click.Context) -> set[str]:
    """Return the names of the parameters that stood on the command line."""
    sources = {name: ctx.get_parameter_source(name) for name in ctx.params}
    return {name for name, source in sources.items() if source is click.core.ParameterSource.COMMANDLINE}

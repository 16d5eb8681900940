"""What all commands are made with."""

from collections.abc import Callable
from dataclasses import Field
from pathlib import Path
from typing import Any, get_args, get_type_hints

import click

from copyrisk.options import flag


class Sections(click.Group):
    """A group whose help lists its commands under headings; those that `sections` lacks come last."""

    def __init__(self, *args: Any, sections: dict[str, tuple[str, ...]], **kwargs: Any):
        """sections: the names of the commands under each heading, in their order."""
        super().__init__(*args, **kwargs)
        self.sections = sections

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one definition list a heading."""
        known = {name for names in self.sections.values() for name in names}
        others = tuple(name for name in self.list_commands(ctx) if name not in known)
        # One width of names for all lists, as wide as click makes that of a single one.
        width = max(map(len, self.commands))
        for heading, names in {**self.sections, "Other commands": others}.items():
            rows = [
                (name.ljust(width), self.commands[name].get_short_help_str(formatter.width - 6 - width))
                for name in names
            ]
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)


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

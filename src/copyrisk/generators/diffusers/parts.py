"""Parts that a pipeline's folder lacks, or lists as null, as people save SD3 without its third text encoder."""

import inspect

from copyrisk.errors import UserError
from copyrisk.generators.diffusers.source import Source

NEEDED = ("unet", "transformer", "vae", "scheduler", "prior", "decoder", "movq", "vqvae")
"""Parts without which no pipeline makes an image."""


def left_out(source: Source) -> list[str]:
    """List the parts that the pipeline's class expects and the folder lacks, to be loaded as None.

    Raises UserError where one of them is needed for any image.
    """
    expected = {
        each.name
        for each in inspect.signature(source.pipeline_class.__init__).parameters.values()
        if each.default is each.empty and each.name != "self" and each.kind is each.POSITIONAL_OR_KEYWORD
    }
    optional = set(getattr(source.pipeline_class, "_optional_components", []))
    missing = sorted(name for name in expected - optional if not _there(source, name))
    for name in missing:
        if name in NEEDED and not (name == source.denoiser and source.file is not None):
            raise UserError(
                f"--model {source.specifier}: its {name} is missing, and no image can be made without it. Save the "
                "pipeline again with all its parts."
            )
    return [name for name in missing if name not in NEEDED]


def _there(source: Source, name: str) -> bool:
    listed = source.index.get(name)
    if listed is None or listed == [None, None]:
        return False
    # Only parts are listed as a pair; a setting of the pipeline is what it is.
    pair = isinstance(listed, list) and len(listed) == 2
    return not pair or (source.folder / name).is_dir()

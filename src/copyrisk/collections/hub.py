"""A dataset on the Hugging Face hub, or any that `datasets` can load without a script of its own."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from copyrisk import registry
from copyrisk.collections.arrow import ArrowRows
from copyrisk.collections.columns import split_columns
from copyrisk.errors import UserError
from copyrisk.run import digest


def open_hub(argument: str) -> ArrowRows:
    """Open `ID[:SPLIT][?config=NAME&revision=NAME&image=COLUMN&caption=COLUMN&id=COLUMN]`; ID may be a local folder.

    What is not in the cache of `datasets` is downloaded into it; the images are then mapped into memory from there.
    Raises UserError where `datasets` is missing or cannot load it, or where there are several splits and none is named.
    """
    try:
        import datasets
    except ImportError:
        raise UserError("hub: needs the package datasets: pip install 'copyrisk[datasets]'.") from None
    text, given = split_columns(argument, "config", "revision")
    name, split = (text, "") if Path(text).expanduser().exists() else registry.split(text)
    where: dict[str, Any] = {"path": str(Path(name).expanduser()), "revision": given.get("revision")}
    try:
        if not split:
            splits = datasets.get_dataset_split_names(config_name=given.get("config"), **where)
            if len(splits) != 1:
                raise UserError(
                    f"hub:{name} holds the splits {', '.join(splits)}: choose one, as hub:{name}:{splits[0]}."
                )
            split = splits[0]
        dataset = datasets.load_dataset(name=given.get("config"), split=split, **where)
    except UserError:
        raise
    # Besides its own, `datasets` lets through the errors of every file format and of the network.
    except Exception as error:
        raise UserError(
            f"hub:{argument} cannot be loaded: {' '.join(str(error).split()) or type(error).__name__}"
        ) from None
    table: pa.Table = dataset.data.table
    # The cache names its folders by a hash of the revision, or of the files where they are local.
    caches = [["/".join(Path(each["filename"]).parts[-4:]), Path(each["filename"]).stat().st_size]
              for each in dataset.cache_files]  # fmt: skip
    return ArrowRows(f"hub:{argument}", table, Path(), digest([caches, split, len(table)]), given)

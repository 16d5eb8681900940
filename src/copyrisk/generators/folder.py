"""Images that were made elsewhere, in a folder.

Prompt and seed come from `metadata.csv`/`metadata.jsonl` (`file_name`, `prompt`, `seed`), else from a side-car text
file (the prompt), else from the sub-folder: one folder a prompt, named by it or with a `prompt.txt` inside. Images for
which none of these says anything count as made without a prompt.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from copyrisk.collections.captions import caption_of, sidecar_caption
from copyrisk.collections.folder import Folder, relative_name
from copyrisk.errors import UserError
from copyrisk.generators import Made, refuse_settings
from copyrisk.options import Options
from copyrisk.run import digest


class ExistingImages:
    """The images of a folder as a generator that can give back just these."""

    def __init__(self, path: Path):
        """List the images below `path` with their prompts and seeds; raise UserError where there are none."""
        if not path.is_dir():
            raise UserError(f"--model folder:{path}: there is no folder {path}.")
        folder = Folder(path)
        if not folder.files:
            raise UserError(f"--model folder:{path}: no image found in {path}.")
        self.specifier = f"folder:{path}"
        self.settings: dict[str, Any] = {}
        self.paths: dict[tuple[str, int], Path] = {}
        self.listing: list[tuple[str, int]] | None = []
        numbers: dict[str, int] = defaultdict(int)
        for file in folder.files:
            prompt, seed = _prompt_and_seed(folder, file)
            if seed is None or (prompt, seed) in self.paths:
                while (prompt, numbers[prompt]) in self.paths:
                    numbers[prompt] += 1
                seed = numbers[prompt]
            self.paths[prompt, seed] = file
            self.listing.append((prompt, seed))
        self.conditional = any(prompt for prompt, _ in self.listing)
        names = [(relative_name(path, file), _size(file)) for file in folder.files]
        self.fingerprint = digest([names, self.listing])

    def batch_size(self) -> int:
        """Return a fixed number: nothing is made."""
        return 1024

    def generate(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Made]:
        """Return the paths of the images of these prompts and seeds."""
        return [self.paths[request].absolute() for request in zip(prompts, seeds, strict=True)]


def open_folder(argument: str, options: Options) -> ExistingImages:
    """Open `folder:DIR`."""
    refuse_settings(f"folder:{argument}", options)
    return ExistingImages(Path(argument).expanduser())


def _prompt_and_seed(folder: Folder, file: Path) -> tuple[str, int | None]:
    row = folder.metadata.get(file)
    if row is not None:
        seed = str(row.get("seed") if row.get("seed") is not None else "").strip()
        prompt = row.get("prompt")
        return prompt.strip() if isinstance(prompt, str) else caption_of(row), int(seed) if seed.isdigit() else None
    if text := sidecar_caption(file):
        return text, None
    if file.parent != folder.root:
        named = sidecar_caption(file.parent / "prompt")
        return named or relative_name(folder.root, file.parent), None
    return "", None


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else -1

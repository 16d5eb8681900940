"""A small diffusion model trained on real images with planted duplicates, where the truth is known."""

import shlex
from dataclasses import asdict, dataclass
from pathlib import Path

from copyrisk.errors import UserError
from copyrisk.files import read_json, write_json
from copyrisk.options import TestbedOptions


@dataclass(frozen=True)
class Testbed:
    """A trained testbed on disk."""

    __test__ = False  # pytest takes a class called Test... for tests

    folder: Path
    side: int

    @property
    def model(self) -> Path:
        """The diffusers pipeline folder."""
        return self.folder / "model"

    @property
    def references(self) -> Path:
        """The training set with its duplicates."""
        return self.folder / "train.parquet"

    @property
    def controls(self) -> Path | None:
        """The pictures held out of training; None where there are none."""
        path = self.folder / "controls"
        return path if path.exists() else None

    @property
    def planted(self) -> Path:
        """The truth: a table of name, caption and multiplicity (0: held out)."""
        return self.folder / "planted.parquet"

    @property
    def credit(self) -> str:
        """Whom to credit for the pictures wherever they are shown; empty where nobody asks for it."""
        path = self.folder / "credit.txt"
        return path.read_text(encoding="utf-8").strip() if path.exists() else ""

    @property
    def audit_command(self) -> str:
        """The command that audits it."""
        words = ["copyrisk", "audit", "--model", f"diffusers:{self.model}", "--trust-remote-code"]
        words += ["--references", str(self.references)]
        words += ["--controls", str(self.controls)] if self.controls else []
        return shlex.join(words)


def train_testbed(options: TestbedOptions) -> Testbed:
    """Plant the pictures, train the model and save both; what is there already is kept.

    Raises UserError where the folder holds a testbed made with other options, or the images do not suffice.
    """
    wanted = {name: value for name, value in asdict(options).items() if name != "out"}
    record = options.out / "testbed.json"
    if record.exists() and read_json(record) != wanted:
        raise UserError(f"{options.out} holds a testbed that was made with other options. Give another --out.")
    if not record.exists() and options.out.exists() and any(options.out.iterdir()):
        raise UserError(f"{options.out} is not empty and holds no testbed. Give another --out.")
    made = Testbed(options.out, options.side)
    if made.model.exists():
        return made
    from copyrisk.testbed.pictures import load_pictures, plant, write_planting

    planting = plant(load_pictures(options.images, options.side), options)
    _require_torch()
    from copyrisk.testbed.train import save_pipeline, train

    write_json(record, wanted)
    write_planting(planting, options.out)
    checkpoint = options.out / "checkpoint.pt"
    pictures = planting.pictures
    model = train(pictures.pixels, pictures.captions, planting.training_rows(), options, checkpoint)
    save_pipeline(model, made.model)
    checkpoint.unlink(missing_ok=True)
    return made


def _require_torch() -> None:
    try:
        import diffusers
        import torch  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise UserError(f"Training needs torch and diffusers ({error}). pip install 'copyrisk[demo]'") from None
    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()

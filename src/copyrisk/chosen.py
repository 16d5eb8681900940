"""What the options of a run name, opened once and handed from stage to stage.

A model may take minutes to load and a collection to list; whoever needs one asks the same `Chosen` for it.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from copyrisk.errors import UserError
from copyrisk.options import Options
from copyrisk.run import Run

if TYPE_CHECKING:
    from copyrisk.attacks.prompt_log import PromptLog
    from copyrisk.collections import Collection
    from copyrisk.descriptors import Descriptor
    from copyrisk.generators import Generator
    from copyrisk.matching.tests import Test


@dataclass(frozen=True)
class Chosen:
    """The options, and what they name: each is opened when it is first asked for.

    All raise UserError where nothing usable is there, as the functions do that open them.
    """

    options: Options

    @classmethod
    def of_run(cls, options: Options, run: Run) -> "Chosen":
        """Return what is chosen for a stage on its own: what the stage `index` was given is read from the run."""
        known = {"descriptor": run.record("index")["options"]["descriptor"], **run.manifest["collections"]}
        return cls(replace(options, **known))

    def close(self) -> None:
        """Let go of the model; what it takes is freed until it is asked for another image."""
        if "generator" in vars(self):
            getattr(self.generator, "close", lambda: None)()

    # The rooms use this module, so that it cannot import them before they are complete.

    @cached_property
    def references(self) -> "Collection":
        """The images that must not come back."""
        from copyrisk.collections import open_collection

        if self.options.references is None:
            raise UserError("--references is missing: give the images that must not come back.")
        return open_collection(self.options.references, "--references")

    @cached_property
    def controls(self) -> "Collection | None":
        """The images that the model has not seen; None without any."""
        from copyrisk.collections import open_collection

        return None if self.options.controls is None else open_collection(self.options.controls, "--controls")

    @cached_property
    def descriptor(self) -> "Descriptor":
        """What images are described by."""
        from copyrisk.descriptors import open_descriptor
        from copyrisk.matching.tests import default_descriptor

        return open_descriptor(self.options.descriptor or default_descriptor(self.options.test))

    @cached_property
    def test(self) -> "Test":
        """What counts as a copy."""
        from copyrisk.matching.tests import open_test

        return open_test(self.options.test, self.options.threshold, self.descriptor)

    @cached_property
    def generator(self) -> "Generator":
        """What makes the images; weights are not loaded before they are needed."""
        from copyrisk.generators import open_generator

        return open_generator(self.options)

    @cached_property
    def prompts(self) -> "PromptLog | None":
        """The prompts of the file; None where captions are asked for."""
        from copyrisk.attacks.prompt_log import read_log

        return read_log(self.options)

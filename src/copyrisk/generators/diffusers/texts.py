"""Prompts on their way into a pipeline: encoded once each, and which of them the encoders cut."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from copyrisk.errors import UserError
from copyrisk.generators.diffusers.source import Source

ROWS = 1024
BYTES = 1 << 29
"""What a text encoder remembers at most: so many texts, and so many bytes of their embeddings."""
SHOWN = 3
"""Prompts that were cut which are shown."""


def remember_texts(pipeline: Any) -> None:
    """Let each text encoder of a pipeline encode a text once, by itself, and remember what came out.

    A text's embedding then does not depend on the texts beside it, and the images of one prompt share it.
    """
    for name, part in pipeline.components.items():
        if name.startswith("text_encoder") and part is not None and hasattr(part, "forward"):
            part.forward = _Remembered(part.forward)


class _Remembered:
    """The forward pass of a text encoder, row by row."""

    def __init__(self, forward: Callable[..., Any]):
        self.forward = forward
        self.found: OrderedDict[Any, tuple[Any, int]] = OrderedDict()
        self.bytes = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        import torch

        given = dict(enumerate(args)) | kwargs
        tensors = {name: each for name, each in given.items() if isinstance(each, torch.Tensor)}
        rows = {len(each) if each.dim() else 0 for each in tensors.values()}
        if len(rows) != 1 or rows == {0} or torch.is_grad_enabled():
            return self.forward(*args, **kwargs)
        others = tuple((name, repr(each)) for name, each in given.items() if name not in tensors)
        contents = {name: each.cpu().contiguous().view(torch.uint8).numpy() for name, each in tensors.items()}
        outputs = []
        for row in range(rows.pop()):
            key = (others, *((name, str(tensors[name].dtype), each[row].tobytes()) for name, each in contents.items()))
            one = {name: each[row : row + 1] if name in tensors else each for name, each in given.items()}
            outputs.append(self._row(key, one))
        return _joined(outputs)

    def _row(self, key: Any, given: dict[Any, Any]) -> Any:
        if key in self.found:
            self.found.move_to_end(key)
            return self.found[key][0]
        args = [given[name] for name in given if isinstance(name, int)]
        output = self.forward(*args, **{name: each for name, each in given.items() if isinstance(name, str)})
        if isinstance(output, Mapping):
            # The cache of keys and values serves decoding, and no text is decoded here.
            output = type(output)(**{name: each for name, each in output.items() if name != "past_key_values"})
        size = _size(output)
        self.found[key] = output, size
        self.bytes += size
        while len(self.found) > ROWS or (self.bytes > BYTES and len(self.found) > 1):
            self.bytes -= self.found.popitem(last=False)[1][1]
        return output


def _joined(outputs: list[Any]) -> Any:
    import torch

    first = outputs[0]
    if isinstance(first, torch.Tensor):
        return torch.cat(outputs)
    if isinstance(first, Mapping):
        return type(first)(**{name: _joined([each[name] for each in outputs]) for name in first})
    if isinstance(first, tuple | list):
        return type(first)(_joined(list(parts)) for parts in zip(*outputs, strict=True))
    return first


def _size(value: Any) -> int:
    import torch

    if isinstance(value, torch.Tensor):
        return int(value.nbytes)
    if isinstance(value, Mapping):
        return sum(map(_size, value.values()))
    return sum(map(_size, value)) if isinstance(value, tuple | list) else 0


def cut_prompts(source: Source, arguments: Mapping[str, Any], prompts: list[str]) -> list[str]:
    """List the prompts of which no text encoder of the pipeline reads all.

    arguments: those of the call, with `max_sequence_length` where it has one.
    """
    readers = [
        (tokenizer, limit) for tokenizer in _tokenizers(source) if (limit := _limit(tokenizer, arguments)) is not None
    ]
    if not readers or len(readers) < len(_tokenizers(source)):
        return []
    return [
        prompt
        for prompt in prompts
        if all(len(tokenizer(prompt, truncation=False)["input_ids"]) > limit for tokenizer, limit in readers)
    ]


def cut_remark(source: Source, arguments: Mapping[str, Any], prompts: list[str]) -> list[str]:
    """Say how many prompts are cut, with the first few; nothing where none is."""
    cut = cut_prompts(source, arguments, prompts)
    if not cut:
        return []
    limit = max(_limit(tokenizer, arguments) or 0 for tokenizer in _tokenizers(source))
    shown = "; ".join(f"'{prompt[:80]}{'…' if len(prompt) > 80 else ''}'" for prompt in cut[:SHOWN])
    more = f"; and {len(cut) - SHOWN:,} more" if len(cut) > SHOWN else ""
    return [
        f"{len(cut):,} of {len(prompts):,} prompts are longer than the text encoder reads ({limit:,} tokens): the "
        f"model never saw how they end. {shown}{more}."
    ]


def _limit(tokenizer: Any, arguments: Mapping[str, Any]) -> int | None:
    """Return how many tokens of a text are read; None where there is no limit."""
    own = tokenizer.model_max_length
    asked = None if "CLIP" in type(tokenizer).__name__ else arguments.get("max_sequence_length")
    limits = [each for each in (own, asked) if each is not None and each < 1 << 20]
    if asked is not None and asked < 1 << 20:
        return int(asked)
    return int(min(limits)) if limits else None


_opened: dict[str, list[Any]] = {}


def _tokenizers(source: Source) -> list[Any]:
    """Open the tokenizers of a pipeline that stand beside a text encoder."""
    if source.fingerprint not in _opened:
        _opened.clear()
        _opened[source.fingerprint] = [
            tokenizer
            for name in source.index
            if name.startswith("tokenizer") and (source.folder / name).is_dir()
            if (tokenizer := _open(source, name)) is not None
        ]
    return _opened[source.fingerprint]


def _open(source: Source, name: str) -> Any:
    import transformers

    listed = source.index[name]
    kind = getattr(transformers, listed[1], None) if isinstance(listed, list) and listed[1] else None
    # A processor is the tokenizer of a model that also sees pictures.
    if kind is None or not hasattr(kind, "model_input_names"):
        return None
    try:
        return kind.from_pretrained(source.folder / name)
    except Exception as error:
        raise UserError(f"--model {source.specifier}: its {name} cannot be loaded: {error}") from error

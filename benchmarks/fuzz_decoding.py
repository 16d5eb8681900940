"""Does a damaged or hostile image file ever crash, hang or blow up the decoder?

Run: python benchmarks/fuzz_decoding.py [files]. Valid files of every format and kind of pixel are mutated with a fixed
seed (bits flipped, cut, spliced, sizes in the header changed, pieces repeated) and decoded in a child process that may
take `MEMORY` bytes and `SECONDS` a file. Exits with 1 where a file killed the child, took longer, took more memory, or
let any other error through than `UnreadableImage`. Nothing is compared: there is one decoder.
"""

import io
import json
import random
import re
import resource
import selectors
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, features

from copyrisk.collections.decode import MAX_PIXELS, decode
from copyrisk.errors import UnreadableImage

SEED = 0
SECONDS = 20.0
STARTING = 30.0
"""Seconds more for the first file, since starting the interpreter is no decoding."""
MEMORY = 4 * 2**30
PEAK = 20 * MAX_PIXELS + 2**28
"""What decoding may take: the documented 20 bytes a pixel for the largest picture, and the interpreter."""
NUMBERS = (0, 1, 2, 255, 256, 9_999, 10_000, 32_767, 65_535, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
FAILURES = ("crash", "hang", "escaped", "memory")


def main() -> int:
    if sys.argv[1:2] == ["child"]:
        return child(*map(int, sys.argv[2:4]))
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    began = time.perf_counter()
    results = watch(lambda first: [sys.executable, __file__, "child", str(first), str(count)], count, SECONDS)
    print(f"{count:,} mutated files of {len(seeds())} seeds in {time.perf_counter() - began:.0f} s")
    return 1 if report(results) else 0


def report(results: list[dict[str, Any]]) -> int:
    """Print what became of the files; return the number of failures."""
    formats = Counter((result["seed"].split()[0], result["outcome"]) for result in results)
    print(f"{'format':<10} {'decoded':>8} {'refused':>8} {'failed':>8}")
    for name in sorted({name for name, _ in formats}):
        failed = sum(formats[name, outcome] for outcome in FAILURES)
        print(f"{name:<10} {formats[name, 'decoded']:>8} {formats[name, 'refused']:>8} {failed:>8}")
    reasons = Counter(
        re.sub(r"\d[\d,]*", "N", result["reason"]) for result in results if result["outcome"] == "refused"
    )
    print(f"\nrefused: {reasons.total():,}, for {len(reasons)} reasons (N is any number)")
    for reason, number in reasons.most_common(15):
        print(f"{number:>8}  {reason}")
    slowest = max(results, key=lambda result: result["seconds"])
    print(f"\nslowest: {slowest['seconds']:.2f} s ({slowest['seed']}, number {slowest['number']})")
    print(f"peak memory: {max(result['peak'] for result in results) / 2**20:,.0f} MiB of {PEAK / 2**20:,.0f}")
    failures = [result for result in results if result["outcome"] in FAILURES]
    for result in failures:
        print(f"FAILED: number {result['number']} ({result['seed']}): {result['outcome']} {result['reason']}")
    print(f"failures: {len(failures)}")
    return len(failures)


def watch(command: Callable[[int], list[str]], count: int, seconds: float) -> list[dict[str, Any]]:
    """Run `command(first)`, which prints a result a line, for the numbers below `count`; go on behind a failure."""
    results: list[dict[str, Any]] = []
    while len(results) < count:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}  # libtiff writes of every damage
        with subprocess.Popen(command(len(results)), bufsize=0, **pipes) as process:
            assert process.stdout is not None
            outcome = ""
            allowed = seconds + STARTING
            while len(results) < count and not outcome:
                with selectors.DefaultSelector() as selector:
                    selector.register(process.stdout, selectors.EVENT_READ)
                    ready = selector.select(allowed)
                line = process.stdout.readline() if ready else b""
                allowed = seconds
                if line.endswith(b"\n"):
                    results.append(json.loads(line))
                else:
                    outcome = "crash" if ready else "hang"
            process.kill()
            code = process.wait()
        if outcome:
            reason = signal.Signals(-code).name if outcome == "crash" and code < 0 else ""
            number = len(results)
            results.append(row(number, mutant(number)[0], outcome, reason or f"exit code {code}", seconds, 0))
    return results


def child(first: int, count: int) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for number in range(first, count):
        name, data = mutant(number)
        began = time.perf_counter()
        outcome, reason = "decoded", ""
        try:
            image = decode(data)
            if image.mode != "RGB" or image.width * image.height > MAX_PIXELS:
                outcome, reason = "escaped", f"{image.mode} {image.size}"
        except UnreadableImage as error:
            outcome, reason = "refused", str(error)
        except BaseException as error:
            outcome, reason = "escaped", repr(error)
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if peak > PEAK or "too little memory" in reason:
            outcome = "memory"
        # The buffer of standard output would hide which file was the last.
        print(json.dumps(row(number, name, outcome, reason, seconds, peak)), flush=True)
    return 0


def row(number: int, seed: str, outcome: str, reason: str, seconds: float, peak: int) -> dict[str, Any]:
    return {"number": number, "seed": seed, "outcome": outcome, "reason": reason, "seconds": seconds, "peak": peak}


def seeds(made: dict[str, bytes] = {}) -> dict[str, bytes]:  # noqa: B006 - made once
    """Return valid files: every format that the installed Pillow can write, every kind of pixel."""
    if made:
        return made
    noise = np.random.default_rng(SEED).integers(0, 256, (24, 32, 4), np.uint8)
    noise[:12] = noise[0]
    rgba = Image.fromarray(noise)
    rgb, grey, palette = rgba.convert("RGB"), rgba.convert("L"), rgba.convert("RGB").quantize(16)
    deep = Image.fromarray(noise[..., 0].astype(np.uint16) * 257)

    def frames() -> dict[str, Any]:
        return {"save_all": True, "append_images": [rgb.rotate(180), rgb.copy()]}

    exif = Image.Exif()
    exif[0x0112] = 6
    kinds: list[tuple[str, Image.Image, dict[str, Any]]] = [
        ("JPEG", rgb, {"exif": exif, "icc_profile": bytes(range(256)) * 2}),
        ("JPEG progressive", rgb, {"progressive": True}),
        ("JPEG CMYK", rgb.convert("CMYK"), {}),
        ("JPEG grey", grey, {}),
        ("MPO", rgb, frames()),
        ("PNG", rgb, {"exif": exif}),
        ("PNG alpha", rgba, {}),
        ("PNG palette", palette, {"transparency": 1}),
        ("PNG 16 bits", deep, {}),
        ("PNG 1 bit", grey.convert("1"), {}),
        ("PNG LA", rgba.convert("LA"), {}),
        ("PNG animated", rgb, frames()),
        ("WEBP", rgb, {"exif": exif}),
        ("WEBP lossless", rgba, {"lossless": True}),
        ("WEBP animated", rgb, frames()),
        ("GIF", palette, {"transparency": 1, "comment": b"comment"}),
        ("GIF animated", rgb, frames()),
        ("TIFF", rgb, {"exif": exif}),
        *[
            (f"TIFF {name}", rgb, {"compression": name})
            for name in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")
        ],
        ("TIFF fax", grey.convert("1"), {"compression": "group4"}),
        ("TIFF 16 bits", deep, {}),
        ("TIFF float", deep.convert("F"), {}),
        ("TIFF CMYK", rgb.convert("CMYK"), {}),
        ("TIFF pages", rgb, frames()),
        ("BMP", rgb, {}),
        ("BMP palette", palette, {}),
        ("PPM", rgb, {}),
        ("ICO", rgb, {"sizes": [(16, 16)]}),
        ("ICO bitmap", rgb, {"sizes": [(16, 16)], "bitmap_format": "bmp"}),
    ]
    if features.check("jpg_2000"):
        kinds += [("JPEG2000", rgb, {}), ("JPEG2000 tiles", rgb, {"tile_size": (16, 16)})]
    if features.check("avif"):
        kinds += [("AVIF", rgb, {"exif": exif, "speed": 10}), ("AVIF alpha", rgba, {"speed": 10})]
        kinds += [("AVIF animated", rgb, {**frames(), "speed": 10})]
    for name, image, settings in kinds:
        buffer = io.BytesIO()
        # A copy: saving leaves settings of the format behind in the image.
        image.copy().save(buffer, name.split()[0], **settings)
        made[name] = buffer.getvalue()
    made["PNG interlaced"] = interlaced()
    return made


def interlaced() -> bytes:
    """Return a PNG in seven passes, which Pillow cannot write: 8 × 8 grey pixels."""
    # Rows of a pass, and pixels in each: Adam7.
    passes = ((1, 1), (1, 1), (1, 2), (2, 2), (2, 4), (4, 4), (4, 8))
    pixels = b"".join(b"\0" + bytes(range(width)) for height, width in passes for _ in range(height))
    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 1)
    data = bytearray(b"\x89PNG\r\n\x1a\n")
    for kind, content in ((b"IHDR", header), (b"IDAT", zlib.compress(pixels)), (b"IEND", b"")):
        data += struct.pack(">I", len(content)) + kind + content + bytes(4)
    mend_checksums(data)
    return bytes(data)


def mutant(number: int) -> tuple[str, bytes]:
    """Return the name of the seed and the bytes of one mutated file; the same for the same number."""
    chance = random.Random(f"{SEED} {number}")
    name = chance.choice(list(seeds()))
    data = bytearray(seeds()[name])
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        chance.choice(MUTATIONS)(data, chance)
    # Otherwise the checksums would keep most of what was changed from the decoder.
    if data.startswith(b"\x89PNG") and chance.random() < 0.8:
        mend_checksums(data)
    return name, bytes(data)


def place(data: bytearray, chance: random.Random) -> int:
    """Choose a place, often in the header: that is small and matters most."""
    return chance.randrange(max(1, min(len(data), chance.choice((64, len(data), len(data))))))


def flip_bits(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 1, 4, 32))):
        if data:
            data[place(data, chance)] ^= 1 << chance.randrange(8)


def cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data) + 1) :]


def remove(data: bytearray, chance: random.Random) -> None:
    start = place(data, chance)
    del data[start : start + chance.choice((1, 2, 4, 16, 256))]


def splice(data: bytearray, chance: random.Random) -> None:
    other = seeds()[chance.choice(list(seeds()))]
    data[place(data, chance) :] = other[chance.randrange(len(other)) :]


def change_number(data: bytearray, chance: random.Random) -> None:
    start, form = place(data, chance), chance.choice(("B", ">H", "<H", ">I", "<I"))
    size = struct.calcsize(form)
    data[start : start + size] = struct.pack(form, chance.choice(NUMBERS) % 256**size)


def repeat(data: bytearray, chance: random.Random) -> None:
    start = place(data, chance)
    piece = data[start : start + chance.choice((1, 4, 12, 64, 1024))]
    data[start:start] = piece * chance.choice((1, 2, 10, 100, 1000))


def insert(data: bytearray, chance: random.Random) -> None:
    start = place(data, chance)
    data[start:start] = chance.randbytes(chance.choice((1, 2, 4, 64)))


MUTATIONS = (flip_bits, cut, remove, splice, change_number, change_number, repeat, insert)


def mend_checksums(data: bytearray) -> None:
    start = 8
    while start + 12 <= len(data):
        size = int.from_bytes(data[start : start + 4], "big")
        end = start + 8 + size
        if end + 4 > len(data):
            return
        data[end : end + 4] = struct.pack(">I", zlib.crc32(data[start + 4 : end]))
        start = end + 4


if __name__ == "__main__":
    sys.exit(main())

"""How fast the stage `generate` makes images of a diffusers pipeline of real size, against a bare loop over the same.

Run: python benchmarks/generating.py [--tiny] [--cases sd15:8,sd15:32,sdxl:8] [--compiled sd15:32] [--batches 4].
The pipelines have the configurations of Stable Diffusion 1.5 and SDXL with random weights, made on the spot in float16
(float32 without a GPU) and saved once: nothing is fetched. The bare loop calls the same pipeline object with the same
prompts, seeds and batches, and keeps the PIL images: what nobody can do without. In turn with it, in the same process
and on the same loaded weights, the stage makes as many images of a plan, PNGs and shards included; each way has
--rounds turns, and its fastest counts. A line says how many images a second each makes, the ratio, the share of the
stage's time outside the forward passes (of denoiser, decoder and text encoders, timed by events on the device), and the
peak memory. Random weights make images as slowly as trained ones, but noise compresses badly: PNGs take longer here.
"""

import argparse
import gc
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="small configurations, to try the script on a processor")
    parser.add_argument("--cases", default="sd15:8,sd15:32,sdxl:8", help="pipeline:batch size, with commas")
    parser.add_argument("--batches", type=int, default=4, help="batches that each way makes")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=2, help="turns of each way; the fastest counts")
    parser.add_argument("--compiled", default="sd15:32", help="cases with a compiled denoiser, after the others")
    arguments = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(f"torch {torch.__version__} on {torch.cuda.get_device_name() if device == 'cuda' else device}", flush=True)
    print("pipeline  batch  side  bare loop  generate  ratio  outside forward passes  peak memory", flush=True)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        folders: dict[str, Path] = {}
        cases = [(case, False) for case in arguments.cases.split(",")]
        cases += [(case, True) for case in arguments.compiled.split(",") if case]
        for case, compiled in cases:
            name, _, batch = case.partition(":")
            if name not in folders:
                folders[name] = build(name, Path(place) / name, device, arguments.tiny)
                print(f"  ({name} made and saved, {time.perf_counter() - began:.0f} s so far)", flush=True)
            measure(name, folders[name], int(batch), arguments, compiled)
            print(f"  ({time.perf_counter() - began:.0f} s so far)", flush=True)


def measure(name: str, folder: Path, batch: int, arguments: Any, compiled: bool) -> None:
    """Print the line of one case: both ways after a warm-up, in turn, on the same loaded pipeline."""
    from copyrisk import generators
    from copyrisk.generators.diffusers import loading
    from copyrisk.options import Options

    options = Options(model=f"diffusers:{folder}", steps=arguments.steps, batch_size=batch, compile=compiled)
    generator: Any = generators.open_generator(options)
    pipeline = generator._pipeline
    prompts = [f"picture of {LETTERS[number]}" for number in range(max(1, batch * arguments.batches // 16))]
    asked = [(prompts[number % len(prompts)], number) for number in range(batch * arguments.batches)]
    bare_loop(pipeline, asked[:batch], batch, arguments.steps)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    requests = [generators.Request(prompt, prompt, seed) for prompt, seed in asked]
    # The measuring of memory before the first batch is no part of the pace.
    generator.batch_size = lambda: batch
    bare, stage, outside = float("inf"), float("inf"), 1.0
    for _ in range(arguments.rounds):
        bare = min(bare, bare_loop(pipeline, asked, batch, arguments.steps))
        inside = Forward(pipeline)
        with tempfile.TemporaryDirectory() as out:
            start = time.perf_counter()
            generators._make(generator, requests, 0, Path(out))
            seconds = time.perf_counter() - start
        if seconds < stage:
            stage, outside = seconds, 1 - inside.seconds() / seconds
        inside.remove()
    side = f"{pipeline.vae_scale_factor * pipeline.unet.config.sample_size}"
    memory = f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB" if torch.cuda.is_available() else "not measured"
    label = f"{name} compiled" if compiled else name
    print(
        f"{label:8}  {batch:5}  {side:>4}  {len(asked) / bare:5.2f} im/s  {len(asked) / stage:5.2f} im/s  "
        f"{bare / stage:5.3f}  {outside:6.1%}  {memory}",
        flush=True,
    )
    del pipeline, generator
    loading.unload()
    gc.collect()


def bare_loop(pipeline: Any, asked: list[tuple[str, int]], batch: int, steps: int) -> float:
    """Return the seconds that the pipeline takes for these (prompt, seed) alone."""
    start = time.perf_counter()
    for first in range(0, len(asked), batch):
        part = asked[first : first + batch]
        noise = [torch.Generator("cpu").manual_seed(seed) for _, seed in part]
        images = pipeline([prompt for prompt, _ in part], generator=noise, num_inference_steps=steps).images
        assert len(images) == len(part)
    return time.perf_counter() - start


class Forward:
    """Times the forward passes of all networks of a pipeline; on CUDA by events, which do not make it wait."""

    def __init__(self, pipeline: Any):
        self.spans: list[tuple[Any, Any]] = []
        self.undo = []
        for name in ("unet", "vae", "text_encoder", "text_encoder_2"):
            part = getattr(pipeline, name, None)
            if part is not None:
                method = "decode" if name == "vae" else "forward"
                # What is traced must stay the same, or each turn would compile again.
                if getattr(part, "_compiled_call_impl", None) is not None:
                    method = "_compiled_call_impl"
                self.undo.append((part, method, part.__dict__.get(method)))
                setattr(part, method, self.timed(getattr(part, method)))

    def timed(self, call: Any) -> Any:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            before = moment()
            result = call(*args, **kwargs)
            self.spans.append((before, moment()))
            return result

        return wrapped

    def seconds(self) -> float:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
            return sum(before.elapsed_time(after) for before, after in self.spans) / 1000
        return sum(after - before for before, after in self.spans)

    def remove(self) -> None:
        for part, method, old in self.undo:
            if old is None:
                delattr(part, method)
            else:
                setattr(part, method, old)


def moment() -> Any:
    if not torch.cuda.is_available():
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


def build(name: str, folder: Path, device: str, tiny: bool) -> Path:
    """Save a pipeline with random weights and the configuration of the published one."""
    from diffusers import (
        AutoencoderKL,
        DDIMScheduler,
        EulerDiscreteScheduler,
        StableDiffusionPipeline,
        StableDiffusionXLPipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    torch.manual_seed(0)
    dtype = torch.float16 if device == "cuda" else torch.float32
    xl = name == "sdxl"
    wide = 2 if tiny else 1
    with torch.device(device):
        text_encoder = CLIPTextModel(clip_config(768, 12, 12, "quick_gelu", tiny))
        vae = AutoencoderKL(
            block_out_channels=(8, 8, 8, 8) if tiny else (128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=1 if tiny else 2,
            latent_channels=4,
            norm_num_groups=4 if tiny else 32,
            sample_size=1024 if xl else 512,
            scaling_factor=0.13025 if xl else 0.18215,
        )
        shape: dict[str, Any] = {
            "sample_size": 8 * wide if tiny else 128 if xl else 64,
            "norm_num_groups": 4 if tiny else 32,
            "layers_per_block": 1 if tiny else 2,
        }
        if xl:
            text_encoder_2 = CLIPTextModelWithProjection(clip_config(1280, 32, 20, "gelu", tiny))
            unet = UNet2DConditionModel(
                block_out_channels=(16, 16, 32) if tiny else (320, 640, 1280),
                down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
                up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
                transformer_layers_per_block=[1, 1, 1] if tiny else [1, 2, 10],
                attention_head_dim=[2, 2, 4] if tiny else [5, 10, 20],
                cross_attention_dim=64 if tiny else 2048,
                use_linear_projection=True,
                addition_embed_type="text_time",
                addition_time_embed_dim=8 if tiny else 256,
                projection_class_embeddings_input_dim=80 if tiny else 2816,
                **shape,
            )
        else:
            unet = UNet2DConditionModel(
                block_out_channels=(16, 16, 32, 32) if tiny else (320, 640, 1280, 1280),
                down_block_types=(*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
                up_block_types=("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
                attention_head_dim=2 if tiny else 8,
                cross_attention_dim=32 if tiny else 768,
                **shape,
            )
    parts: dict[str, Any] = {"vae": vae, "text_encoder": text_encoder, "tokenizer": tokenizer(), "unet": unet}
    if xl:
        scheduler = EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
        more = {"text_encoder_2": text_encoder_2, "tokenizer_2": tokenizer(), "add_watermarker": False}
        pipeline: Any = StableDiffusionXLPipeline(scheduler=scheduler, **parts, **more)
    else:
        ddim = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False)
        checker = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
        pipeline = StableDiffusionPipeline(scheduler=ddim, **parts, **checker)
    pipeline.to(dtype).save_pretrained(folder)
    return folder


def clip_config(width: int, layers: int, heads: int, activation: str, tiny: bool) -> Any:
    from transformers import CLIPTextConfig

    return CLIPTextConfig(
        vocab_size=60,
        hidden_size=32 if tiny else width,
        intermediate_size=32 if tiny else 4 * width,
        num_hidden_layers=1 if tiny else layers,
        num_attention_heads=4 if tiny else heads,
        hidden_act=activation,
        projection_dim=32 if tiny else width,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )


def tokenizer() -> Any:
    """A tokenizer of single letters: it makes 77 tokens of any text, as the published one does."""
    from transformers import CLIPTokenizer

    words = ["<|startoftext|>", "<|endoftext|>", *LETTERS, *(letter + "</w>" for letter in LETTERS)]
    folder = Path(tempfile.mkdtemp())
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77)


if __name__ == "__main__":
    main()

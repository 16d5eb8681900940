"""Tiny pipelines with random weights, one for each family: nothing can be fetched in tests, and seconds matter."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AuraFlowPipeline,
    AuraFlowTransformer2DModel,
    AutoencoderDC,
    AutoencoderKL,
    AutoencoderKLQwenImage,
    ChromaPipeline,
    ChromaTransformer2DModel,
    CMStochasticIterativeScheduler,
    CogView4Pipeline,
    CogView4Transformer2DModel,
    ConsistencyModelPipeline,
    DDIMPipeline,
    DDIMScheduler,
    DDPMPipeline,
    DDPMScheduler,
    DiffusionPipeline,
    DiTPipeline,
    DiTTransformer2DModel,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    HunyuanDiT2DModel,
    HunyuanDiTPipeline,
    LatentConsistencyModelPipeline,
    LCMScheduler,
    Lumina2Pipeline,
    Lumina2Transformer2DModel,
    PixArtAlphaPipeline,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
    SanaPipeline,
    SanaTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
    UNet2DModel,
    ZImagePipeline,
    ZImageTransformer2DModel,
)
from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizer,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    Gemma2Config,
    Gemma2Model,
    GlmConfig,
    GlmModel,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen3Config,
    Qwen3Model,
    T5Config,
    T5EncoderModel,
)

LETTERS = "abcdefghijklmnopqrstuvwxyz"
EIGHTH = (8, 8, 8, 8)
"""Widths of an autoencoder that makes a picture eight times smaller, as some pipelines take for granted."""
CHAT = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def clip_tokenizer(length: int = 77) -> CLIPTokenizer:
    """A tokenizer of single letters."""
    signs = [*LETTERS, *(letter + "</w>" for letter in LETTERS)]
    words = ["<|startoftext|>", "<|endoftext|>", *signs]
    folder = Path(tempfile.mkdtemp())
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=length)


def letters_tokenizer(length: int = 64, **more: Any) -> PreTrainedTokenizerFast:
    """A tokenizer of single letters as language models have them."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -5.0), ("▁", -2.0), *((letter, -3.0) for letter in LETTERS)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    names = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=length, **names, **more)


def bert_tokenizer() -> BertTokenizer:
    folder = Path(tempfile.mkdtemp())
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    (folder / "vocab.txt").write_text("\n".join(words))
    return BertTokenizer(str(folder / "vocab.txt"), model_max_length=77)


def clip(kind: Any = CLIPTextModel, length: int = 77) -> Any:
    config = CLIPTextConfig(
        vocab_size=60,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=length,
        projection_dim=32,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    return kind(config).eval()


def t5(width: int = 32) -> T5EncoderModel:
    return T5EncoderModel(T5Config(vocab_size=40, d_model=width, d_ff=32, d_kv=8, num_heads=4, num_layers=1)).eval()


def vae(latent_channels: int = 4, widths: tuple[int, ...] = (8, 16), **more: Any) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=widths,
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        latent_channels=latent_channels,
        norm_num_groups=4,
        sample_size=32,
        **more,
    )


def pixels(**more: Any) -> UNet2DModel:
    return UNet2DModel(
        sample_size=16,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
        **more,
    )


def unet(cross_attention_dim: int = 32, **more: Any) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=cross_attention_dim,
        attention_head_dim=4,
        norm_num_groups=4,
        **more,
    )


def ddpm() -> DiffusionPipeline:
    return DDPMPipeline(pixels(), DDPMScheduler())


def ddim() -> DiffusionPipeline:
    return DDIMPipeline(pixels(), DDIMScheduler())


def consistency() -> DiffusionPipeline:
    return ConsistencyModelPipeline(pixels(time_embedding_type="positional"), CMStochasticIterativeScheduler())


def consistency_classes() -> DiffusionPipeline:
    network = pixels(time_embedding_type="positional", num_class_embeds=10)
    return ConsistencyModelPipeline(network, CMStochasticIterativeScheduler())


def dit() -> DiffusionPipeline:
    transformer = DiTTransformer2DModel(
        sample_size=8,
        num_layers=1,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=2,
        in_channels=4,
        out_channels=8,
        num_embeds_ada_norm=1000,
    )
    return DiTPipeline(transformer, vae(), DDIMScheduler())


def _latent_text(**more: Any) -> dict[str, Any]:
    parts = {"vae": vae(), "text_encoder": clip(), "tokenizer": clip_tokenizer(), "unet": unet()}
    return {**parts, "scheduler": DDIMScheduler(steps_offset=1, clip_sample=False), **more}


def _unsafe(**more: Any) -> dict[str, Any]:
    return _latent_text(safety_checker=None, feature_extractor=None, requires_safety_checker=False, **more)


def sd15() -> DiffusionPipeline:
    return StableDiffusionPipeline(**_unsafe())


def sd15_checked() -> DiffusionPipeline:
    """With a safety checker, of random weights too."""
    shape = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4}
    config = CLIPConfig(
        vision_config={**shape, "image_size": 32, "patch_size": 8},
        text_config={**shape, "vocab_size": 60},
        projection_dim=32,
    )
    extractor = CLIPImageProcessor(size=32, crop_size=32)
    return StableDiffusionPipeline(
        **_latent_text(safety_checker=StableDiffusionSafetyChecker(config), feature_extractor=extractor)
    )


def sd15_img2img() -> DiffusionPipeline:
    return StableDiffusionImg2ImgPipeline(**_unsafe())


def sd15_inpaint() -> DiffusionPipeline:
    return StableDiffusionInpaintPipeline(**_unsafe())


def lcm() -> DiffusionPipeline:
    parts = _unsafe(unet=unet(time_cond_proj_dim=32), scheduler=LCMScheduler(clip_sample=False))
    return LatentConsistencyModelPipeline(**parts)


def sdxl() -> DiffusionPipeline:
    return StableDiffusionXLPipeline(
        vae=vae(),
        text_encoder=clip(),
        text_encoder_2=clip(CLIPTextModelWithProjection),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        unet=unet(
            64,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=80,
            use_linear_projection=True,
        ),
        scheduler=EulerDiscreteScheduler(),
    )


def sd3() -> DiffusionPipeline:
    transformer = SD3Transformer2DModel(
        sample_size=16,
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        joint_attention_dim=32,
        caption_projection_dim=32,
        pooled_projection_dim=64,
    )
    return StableDiffusion3Pipeline(
        transformer,
        FlowMatchEulerDiscreteScheduler(),
        vae(shift_factor=0.06),
        clip(CLIPTextModelWithProjection),
        clip_tokenizer(),
        clip(CLIPTextModelWithProjection),
        clip_tokenizer(),
        t5(),
        letters_tokenizer(),
    )


def _flow_vae(latent_channels: int) -> AutoencoderKL:
    return vae(latent_channels, use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.06, scaling_factor=1.5)


def flux() -> DiffusionPipeline:
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=4,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        axes_dims_rope=(4, 4, 8),
    )
    scheduler = FlowMatchEulerDiscreteScheduler()
    return FluxPipeline(scheduler, _flow_vae(1), clip(), clip_tokenizer(), t5(), letters_tokenizer(512), transformer)


def chroma() -> DiffusionPipeline:
    transformer = ChromaTransformer2DModel(
        patch_size=1,
        in_channels=4,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        axes_dims_rope=(4, 4, 8),
        approximator_hidden_dim=32,
        approximator_layers=1,
        approximator_num_channels=16,
    )
    return ChromaPipeline(FlowMatchEulerDiscreteScheduler(), _flow_vae(1), t5(), letters_tokenizer(), transformer)


def _pixart(**more: Any) -> PixArtTransformer2DModel:
    return PixArtTransformer2DModel(
        sample_size=8,
        num_layers=1,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=3,
        caption_channels=32,
        in_channels=4,
        out_channels=8,
        cross_attention_dim=24,
        **more,
    )


def pixart() -> DiffusionPipeline:
    """Its call raises "Invalid sample size", since it knows no resolutions for so small a network."""
    return PixArtAlphaPipeline(letters_tokenizer(), t5(), vae(), _pixart(), DDIMScheduler())


def pixart_sigma() -> DiffusionPipeline:
    return PixArtSigmaPipeline(
        letters_tokenizer(), t5(), vae(), _pixart(use_additional_conditions=False), DDIMScheduler()
    )


def hunyuan() -> DiffusionPipeline:
    transformer = HunyuanDiT2DModel(
        sample_size=16,
        num_layers=2,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=3,
        in_channels=4,
        cross_attention_dim=32,
        cross_attention_dim_t5=32,
        pooled_projection_dim=16,
        hidden_size=24,
        activation_fn="gelu-approximate",
    )
    bert = BertModel(
        BertConfig(vocab_size=60, hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=4)
    )
    return HunyuanDiTPipeline(
        vae(widths=EIGHTH),
        bert.eval(),
        bert_tokenizer(),
        transformer,
        DDPMScheduler(),
        None,
        None,
        requires_safety_checker=False,
        text_encoder_2=t5(),
        tokenizer_2=letters_tokenizer(),
    )


def auraflow() -> DiffusionPipeline:
    transformer = AuraFlowTransformer2DModel(
        sample_size=16,
        patch_size=1,
        in_channels=4,
        num_mmdit_layers=1,
        num_single_dit_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        caption_projection_dim=32,
        joint_attention_dim=32,
        pos_embed_max_size=256,
    )
    return AuraFlowPipeline(letters_tokenizer(), t5(), vae(), transformer, FlowMatchEulerDiscreteScheduler())


def _gemma() -> Gemma2Model:
    return Gemma2Model(
        Gemma2Config(
            vocab_size=40,
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=8,
        )
    ).eval()


def sana() -> DiffusionPipeline:
    transformer = SanaTransformer2DModel(
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        num_attention_heads=2,
        attention_head_dim=4,
        num_cross_attention_heads=2,
        cross_attention_head_dim=4,
        cross_attention_dim=8,
        caption_channels=32,
        sample_size=32,
    )
    decoder = AutoencoderDC(
        in_channels=3,
        latent_channels=4,
        attention_head_dim=2,
        encoder_block_types=("ResBlock", "EfficientViTBlock"),
        decoder_block_types=("ResBlock", "EfficientViTBlock"),
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        encoder_qkv_multiscales=((), (5,)),
        decoder_qkv_multiscales=((), (5,)),
        encoder_layers_per_block=(1, 1),
        decoder_layers_per_block=(1, 1),
        downsample_block_type="conv",
        upsample_block_type="interpolate",
        decoder_norm_types="rms_norm",
        decoder_act_fns="silu",
        scaling_factor=0.41407,
    )
    return SanaPipeline(
        letters_tokenizer(512), _gemma(), decoder, transformer, FlowMatchEulerDiscreteScheduler(shift=7.0)
    )


def lumina2() -> DiffusionPipeline:
    transformer = Lumina2Transformer2DModel(
        sample_size=4,
        patch_size=2,
        in_channels=4,
        hidden_size=32,
        num_layers=1,
        num_refiner_layers=1,
        num_attention_heads=4,
        num_kv_heads=2,
        multiple_of=16,
        ffn_dim_multiplier=None,
        norm_eps=1e-5,
        scaling_factor=1.0,
        axes_dim_rope=(4, 2, 2),
        axes_lens=(512, 128, 128),
        cap_feat_dim=32,
    )
    tokenizer = letters_tokenizer(512, padding_side="right")
    decoder = vae(widths=EIGHTH, shift_factor=0.06)
    return Lumina2Pipeline(transformer, FlowMatchEulerDiscreteScheduler(), decoder, _gemma(), tokenizer)


def cogview4() -> DiffusionPipeline:
    transformer = CogView4Transformer2DModel(
        patch_size=2,
        in_channels=4,
        num_layers=1,
        attention_head_dim=4,
        num_attention_heads=4,
        out_channels=4,
        text_embed_dim=32,
        time_embed_dim=8,
        condition_dim=4,
    )
    encoder = GlmModel(
        GlmConfig(
            vocab_size=40,
            hidden_size=32,
            intermediate_size=16,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=8,
            pad_token_id=0,
        )
    ).eval()
    scheduler = FlowMatchEulerDiscreteScheduler(
        base_shift=0.25,
        max_shift=0.75,
        base_image_seq_len=256,
        use_dynamic_shifting=True,
        time_shift_type="linear",
    )
    return CogView4Pipeline(letters_tokenizer(1024), encoder, vae(), transformer, scheduler)


def qwen_image() -> DiffusionPipeline:
    transformer = QwenImageTransformer2DModel(
        patch_size=2,
        in_channels=16,
        out_channels=4,
        num_layers=1,
        attention_head_dim=16,
        num_attention_heads=3,
        joint_attention_dim=16,
        guidance_embeds=False,
        axes_dims_rope=(8, 4, 4),
    )
    decoder = AutoencoderKLQwenImage(
        base_dim=8,
        z_dim=4,
        dim_mult=[1, 2],
        num_res_blocks=1,
        temperal_downsample=[False],
        latents_mean=[0.0] * 4,
        latents_std=[1.0] * 4,
    )
    text = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "vocab_size": 200,
        "rope_scaling": {"mrope_section": [1, 1, 2], "rope_type": "default", "type": "default"},
    }
    vision = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16}
    config = Qwen2_5_VLConfig(text_config=text, vision_config=vision, hidden_size=16, vocab_size=200)
    encoder = Qwen2_5_VLForConditionalGeneration(config).eval()
    return QwenImagePipeline(FlowMatchEulerDiscreteScheduler(), decoder, encoder, letters_tokenizer(1024), transformer)


def z_image() -> DiffusionPipeline:
    transformer = ZImageTransformer2DModel(
        all_patch_size=(2,),
        all_f_patch_size=(1,),
        in_channels=16,
        dim=32,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        qk_norm=True,
        cap_feat_dim=16,
        rope_theta=256.0,
        t_scale=1000.0,
        axes_dims=[8, 4, 4],
        axes_lens=[256, 32, 32],
    )
    encoder = Qwen3Model(
        Qwen3Config(
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            vocab_size=200,
            head_dim=8,
        )
    ).eval()
    tokenizer = letters_tokenizer(512)
    tokenizer.chat_template = CHAT
    return ZImagePipeline(FlowMatchEulerDiscreteScheduler(), _flow_vae(16), encoder, tokenizer, transformer)


MAKERS: dict[str, Callable[[], DiffusionPipeline]] = {
    made.__name__: made
    for made in (
        *(ddpm, ddim, consistency, consistency_classes, dit, sd15, sd15_checked, sd15_img2img, sd15_inpaint, lcm, sdxl),
        *(sd3, flux, chroma, pixart, pixart_sigma, hunyuan, auraflow, sana, lumina2, cogview4, qwen_image, z_image),
    )
}


def save(name: str, folder: Path, dtype: torch.dtype = torch.float32) -> Path:
    """Make a pipeline and save it; the same each time."""
    torch.manual_seed(0)
    MAKERS[name]().to(dtype).save_pretrained(folder)
    return folder

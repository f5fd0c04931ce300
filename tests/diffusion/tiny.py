"""Real diffusers pipelines, far too small to draw: random weights, milliseconds a step."""

import copy

import diffusers
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizerFast,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
)

from deployments.contracts import GenerationRequest
from deployments.inference.embedded.diffusion import minilm

WINDOW = 16
WIDTH = 16
SIZE = 16


def tokenizer() -> BertTokenizerFast:
    return BertTokenizerFast.from_pretrained(minilm(), model_max_length=WINDOW)


def autoencoder(channels: int) -> AutoencoderKL:
    return AutoencoderKL(
        latent_channels=channels,
        block_out_channels=(4, 4),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=2,
        shift_factor=0.0,
    )


def stable_diffusion(prediction_type: str = "v_prediction") -> StableDiffusionPipeline:
    """The family of the embedded model: U-Net, one text encoder, guidance in one batch."""
    torch.manual_seed(0)
    encoder = BertConfig(
        hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    encoder.use_attention_mask = True
    pipeline = StableDiffusionPipeline(
        vae=autoencoder(4),
        text_encoder=BertModel(encoder).eval(),
        tokenizer=tokenizer(),
        unet=unet(WIDTH),
        scheduler=ddim(prediction_type),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return quiet(pipeline)


def instruct_pix2pix() -> StableDiffusionInstructPix2PixPipeline:
    """Edits by instruction: the picture's latent beside the noisy one, three rows when guided."""
    parts = stable_diffusion()
    return quiet(
        StableDiffusionInstructPix2PixPipeline(
            vae=parts.vae,
            text_encoder=parts.text_encoder,
            tokenizer=parts.tokenizer,
            unet=unet(WIDTH, in_channels=8),
            scheduler=parts.scheduler,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    )


def stable_diffusion_xl(prediction_type: str = "v_prediction") -> StableDiffusionXLPipeline:
    """Two text encoders, pooled embeddings and time ids beside the text, a wide autoencoder."""
    torch.manual_seed(0)
    ids = 8  # channels of each of the six time ids
    pipeline = StableDiffusionXLPipeline(
        vae=autoencoder(4),
        text_encoder=CLIPTextModel(clip_config()).eval(),
        text_encoder_2=CLIPTextModelWithProjection(clip_config()).eval(),
        tokenizer=tokenizer(),
        tokenizer_2=tokenizer(),
        unet=unet(
            2 * WIDTH,
            addition_embed_type="text_time",
            addition_time_embed_dim=ids,
            projection_class_embeddings_input_dim=6 * ids + WIDTH,
        ),
        scheduler=ddim(prediction_type),
        add_watermarker=False,
    )
    return quiet(pipeline)


def stable_diffusion_3(channels: int = 4) -> StableDiffusion3Pipeline:
    """Three text encoders, pooled embeddings, a transformer, flow matching."""
    torch.manual_seed(0)
    clip = clip_config()
    transformer = SD3Transformer2DModel(
        sample_size=SIZE // 2,
        patch_size=1,
        in_channels=channels,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        caption_projection_dim=16,
        joint_attention_dim=2 * WIDTH,
        pooled_projection_dim=2 * WIDTH,
        out_channels=channels,
    )
    pipeline = StableDiffusion3Pipeline(
        transformer=transformer.eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=autoencoder(channels),
        text_encoder=CLIPTextModelWithProjection(clip).eval(),
        tokenizer=tokenizer(),
        text_encoder_2=CLIPTextModelWithProjection(clip).eval(),
        tokenizer_2=tokenizer(),
        text_encoder_3=T5EncoderModel(t5_config(2 * WIDTH)).eval(),
        tokenizer_3=tokenizer(),
    )
    return quiet(pipeline)


def flux() -> FluxPipeline:
    """Distilled guidance, packed latents."""
    torch.manual_seed(0)
    transformer = FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        axes_dims_rope=(2, 2, 4),
        guidance_embeds=True,
    )
    pipeline = FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=autoencoder(4),
        text_encoder=CLIPTextModel(clip_config()).eval(),
        tokenizer=tokenizer(),
        text_encoder_2=T5EncoderModel(t5_config(WIDTH)).eval(),
        tokenizer_2=tokenizer(),
        transformer=transformer.eval(),
    )
    return quiet(pipeline)


def unet(text_width: int, **options) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=SIZE // 2,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(8, 8),
        norm_num_groups=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=text_width,
        attention_head_dim=4,
        **({"in_channels": 4} | options),
    ).eval()


def ddim(prediction_type: str) -> DDIMScheduler:
    return DDIMScheduler(
        prediction_type=prediction_type,
        clip_sample=False,
        steps_offset=1,
        timestep_spacing="trailing",
    )


def clip_config() -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=30522,
        hidden_size=WIDTH,
        projection_dim=WIDTH,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=WINDOW,
        bos_token_id=101,
        eos_token_id=102,
        pad_token_id=0,
    )


def t5_config(width: int) -> T5Config:
    return T5Config(vocab_size=30522, d_model=width, d_ff=16, d_kv=8, num_heads=2, num_layers=1)


def with_scheduler(pipeline, family: str, options: dict):
    """A copy of the pipeline with another scheduler; the models are the same ones."""
    other = copy.copy(pipeline)
    other.scheduler = getattr(diffusers, family).from_config(pipeline.scheduler.config, **options)
    return other


def quiet(pipeline):
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def request(**changes) -> GenerationRequest:
    """A request that every tiny pipeline can serve."""
    wanted = {
        "request_id": "r",
        "prompt": "a dog in a park",
        "seed": 7,
        "steps": 4,
        "guidance_scale": 5.0,
        "width": SIZE,
        "height": SIZE,
    }
    return GenerationRequest(**(wanted | changes))


class LinearHead(torch.nn.Module):
    """A toy head: each category's logit is a fixed direction in the latent, plus a bias."""

    categories = ("violence", "sexual", "hate", "demeaning")

    def __init__(self, bias: float = 2.0, size: int = 4 * (SIZE // 2) ** 2) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        directions = torch.randn(len(self.categories), size, generator=generator)
        self.register_buffer("directions", directions / size**0.5)
        self.bias = bias

    def forward(
        self, clean: torch.Tensor, timestep: torch.Tensor, prompt: torch.Tensor
    ) -> torch.Tensor:
        assert clean.dtype == prompt.dtype == torch.float32
        assert len(timestep) == len(prompt) == len(clean)
        return clean.flatten(1) @ self.directions.T + self.bias

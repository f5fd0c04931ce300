"""The embedded edit pipeline: the text-to-image one with a wider first layer and low-rank updates.

The repository ships what editing adds to the U-Net. `assemble` adds it up in an ordinary folder of
an InstructPix2Pix pipeline (arXiv:2211.09800) that `DiffusionPipeline.from_pretrained` loads.
"""

from diffusers import UNet2DConditionModel
from torch import nn

INPUT_LAYER = "conv_in.safetensors"


def widened(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """The U-Net whose first layer reads a picture's latent beside the noisy one, at first not at
    all: its weights for the new channels are zero. Changed in place.
    """
    old = unet.conv_in
    new = nn.Conv2d(2 * old.in_channels, old.out_channels, old.kernel_size, padding=old.padding)
    nn.init.zeros_(new.weight)
    new.weight.data[:, : old.in_channels] = old.weight.data
    if new.bias is not None and old.bias is not None:
        new.bias.data = old.bias.data.clone()
    unet.conv_in = new
    unet.register_to_config(in_channels=2 * old.in_channels)
    return unet

"""Hardware-aware training in numpy: the chip's noise, clipping and quantisation are in the forward pass."""

from ohmloom.train.noise import ChipNoise
from ohmloom.train.trainer import train_mlp

__all__ = ["ChipNoise", "train_mlp"]

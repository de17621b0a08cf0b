"""Models that other libraries trained: torch's Sequential, and ONNX files (read without torch)."""

from ohmloom.importers.onnx_file import load_onnx
from ohmloom.importers.torch_module import from_torch

__all__ = ["from_torch", "load_onnx"]

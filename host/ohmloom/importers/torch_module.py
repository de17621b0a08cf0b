"""torch modules: a Sequential of Linear, Conv2d, ReLU and Flatten."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from numpy.typing import ArrayLike

from ohmloom.errors import ArgumentError
from ohmloom.importers.stack import Stack, Window
from ohmloom.model import Model, Task

SUPPORTED = "Sequential, Linear, Conv2d, ReLU, Flatten, Identity, Dropout, a last Softmax or LogSoftmax"


def from_torch(
    module: Any,
    *,
    task: Task = "classification",
    classes: ArrayLike | None = None,
    input_shape: Sequence[int] | None = None,
) -> Model:
    """The model of a torch.nn.Sequential of Linear, Conv2d, ReLU and Flatten; other modules go through ONNX, `load_onnx`.

    task, classes: what the outputs stand for; the module does not say (classes: 0, 1, ... if not given). input_shape: of
    one sample, (channels, height, width); needed where the first layer is a convolution. A model takes samples flattened
    in that order. A last Softmax or LogSoftmax of a classification is left out: it does not change which output is largest.
    Raises ArgumentError, naming the module, for what is not supported; ImportError without torch.
    """
    try:
        from torch import nn
    except ImportError as error:
        raise ImportError(f"ohmloom.from_torch needs torch ({error}): pip install 'ohmloom[torch]'") from None
    if not isinstance(module, nn.Sequential):
        raise ArgumentError(f"a torch.nn.Sequential wanted, given {type(module).__name__}; others: export to ONNX, ohmloom.load_onnx")
    parts = list(_parts(module, nn, ""))
    stack = Stack(_input_shape(parts, nn) if input_shape is None else input_shape)
    for position, (name, part) in enumerate(parts):
        where = f"module {name} ({type(part).__name__})"
        if isinstance(part, nn.Linear):
            stack.dense(_array(part.weight).T, None if part.bias is None else _array(part.bias), where)
        elif isinstance(part, nn.Conv2d):
            if part.padding_mode != "zeros":
                raise ArgumentError(f"{where}: padding_mode 'zeros' is supported, given {part.padding_mode!r}")
            bias = None if part.bias is None else _array(part.bias)
            stack.convolution(_array(part.weight), bias, _window(part), part.groups, where)
        elif isinstance(part, nn.ReLU):
            stack.relu(where)
        elif isinstance(part, nn.Flatten):
            if part.start_dim != 1 or part.end_dim != -1:
                raise ArgumentError(f"{where}: start_dim 1 and end_dim -1 are supported, given {part.start_dim} and {part.end_dim}")
            stack.flatten()
        elif isinstance(part, nn.Softmax | nn.LogSoftmax) and position == len(parts) - 1 and task == "classification":
            pass
        elif not isinstance(part, nn.Identity | nn.Dropout):
            raise ArgumentError(f"{where} is not supported here; supported: {SUPPORTED}")
    return stack.model(task, classes)


def _parts(module: Any, nn: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """All modules in the order they run, nested Sequentials unpacked, with their names."""
    for name, part in module.named_children():
        if isinstance(part, nn.Sequential):
            yield from _parts(part, nn, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", part


def _input_shape(parts: Sequence[tuple[str, Any]], nn: Any) -> tuple[int, ...]:
    for _, part in parts:
        if isinstance(part, nn.Linear):
            return (part.in_features,)
        if isinstance(part, nn.Conv2d):
            break
    raise ArgumentError("the module does not tell the size of its input: give input_shape, (channels, height, width) of one sample")


def _window(part: Any) -> Window:
    (height, width), (down, across) = part.kernel_size, part.dilation
    if part.padding == "same":  # torch puts the odd one below and to the right
        rows, columns = down * (height - 1), across * (width - 1)
        padding = (rows // 2, columns // 2, rows - rows // 2, columns - columns // 2)
    elif part.padding == "valid":
        padding = (0, 0, 0, 0)
    else:
        padding = (*part.padding, *part.padding)
    return Window(part.stride, padding, part.dilation)


def _array(tensor: Any) -> Any:
    return tensor.detach().cpu().double().numpy()

"""Without the libraries, the error says what to install."""

from __future__ import annotations

import sys

import pytest

import ohmloom


@pytest.mark.parametrize(("library", "load"), [
    ("onnx", lambda: ohmloom.load_onnx("model.onnx")), ("torch", lambda: ohmloom.from_torch(None)),
])  # fmt: skip
def test_missing_library_names_the_extra(library, load, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=rf"pip install 'ohmloom\[{library}\]'"):
        load()

"""Runs cocotb tests on the emitted Verilog under Icarus."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cocotb_tools.runner import get_results, get_runner

from ohmloom_hdl.verilog import emit

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))


@pytest.fixture(scope="session")
def simulation(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Callable[..., None]]:
    """simulation(name, component) compiles the component's Verilog once; what it returns runs a module's tests on it.

    OHMLOOM_WAVES, if it names a folder, gets the waves.
    """
    waves = os.environ.get("OHMLOOM_WAVES")
    compiled: dict[str, Callable[..., None]] = {}

    def prepare(name: str, component: Callable[[], Any]) -> Callable[..., None]:
        if name in compiled:
            return compiled[name]
        folder = tmp_path_factory.mktemp(name)
        source = folder / f"{name}.v"
        source.write_text(emit(component(), name), "utf-8")
        runner = get_runner("icarus")
        build = {"hdl_toplevel": name, "build_dir": folder, "timescale": ("1ns", "1ps"), "waves": bool(waves)}
        runner.build(sources=[source], always=True, log_file=folder / "build.log", **build)

        def run(module: str, **environment: str) -> None:
            path = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
            log, results = folder / f"{module}.log", folder / f"{module}.xml"
            with suppress(SystemExit):  # how the runner says that a test failed
                runner.test(
                    test_module=module,
                    hdl_toplevel=name,
                    build_dir=folder,
                    test_dir=Path(waves) if waves else folder,
                    results_xml=str(results),
                    log_file=log,
                    timescale=("1ns", "1ps"),
                    waves=bool(waves),
                    extra_env={"PYTHONPATH": path, **environment},
                )
            tests, failures = get_results(results)
            if not tests or failures:
                pytest.fail(log.read_text("utf-8", "replace"), pytrace=False)

        compiled[name] = run
        return run

    return prepare

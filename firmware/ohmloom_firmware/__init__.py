"""The controller's firmware: its C sources lie beside this package, `build_firmware` compiles them for a chip."""

from ohmloom_firmware.build import Image, build_firmware, build_rom, sources

__all__ = ["Image", "build_firmware", "build_rom", "sources"]

"""pyserial URL schemes of the emulator: `protocol_emu` is `emu://`."""

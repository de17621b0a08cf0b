"""pyserial URL schemes of the twin: `protocol_rtl` is `rtl://`."""

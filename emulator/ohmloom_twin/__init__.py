"""The twin: the gateware that is synthesised, compiled to machine code, with models of the front end's parts at its pins.

`rtl://CHIP` is a pyserial URL like `emu://CHIP`; behind both is the same fabric.
"""

"""The controller in gateware. One clock domain, `sync`, at the chip spec's `controller.clock_hz`."""

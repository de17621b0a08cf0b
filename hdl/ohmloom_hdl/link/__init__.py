"""The link: UART, COBS, CRC, frames, and `Link`, which executes each request exactly once."""

from ohmloom_hdl.link.receiver import Link, Protocol

__all__ = ["Link", "Protocol"]

"""The link: frames, sessions and ports. Importing it makes installed endpoints known to pyserial."""

from ohmloom.link.frames import BadFrame, Frame, FrameDecoder, encode
from ohmloom.link.port import Port, known_schemes, open_port, register_endpoints
from ohmloom.link.session import Session
from ohmloom.link.wire import Statistics

__all__ = [
    "BadFrame",
    "Frame",
    "FrameDecoder",
    "Port",
    "Session",
    "Statistics",
    "encode",
    "known_schemes",
    "open_port",
]

register_endpoints()

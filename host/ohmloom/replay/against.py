"""A recording's requests, sent to an endpoint: does it answer what was answered then?"""

from __future__ import annotations

from pathlib import Path

from ohmloom.errors import LinkError
from ohmloom.link import Frame, Port, open_port
from ohmloom.recording import Splitter, on_line, read
from ohmloom.replay.protocol_replay import shown

READ_S, SILENT_READS = 0.1, 50  # a real port waits in each read; a virtual one says at once that nothing will come


def compare(file: str | Path, url: str) -> str | None:
    """The first difference, with the line of the recording, or None when the endpoint answers all as it was recorded.

    The endpoint has to be in the state in which the recorded one was. Raises ReplayError for a file that is no recording, LinkError for an
    endpoint that cannot be opened or cannot do a recorded rate.
    """
    port = open_port(url)
    try:
        return _compare(file, port)
    finally:
        port.close()


def _compare(file: str | Path, port: Port) -> str | None:
    splitter, came = Splitter(), list[Frame | bytes]()
    port.timeout = READ_S
    last = "nothing"
    for passed in read(file):
        item = passed.item
        if isinstance(item, int):
            try:
                port.baudrate = item
            except (OSError, ValueError) as error:
                raise LinkError(f"the port cannot do {item} baud, as recorded in line {passed.line}: {error}") from None
        elif passed.to == "chip":
            port.write(on_line(item))
            last = shown(item)
        else:
            silent = 0
            while not came and silent < SILENT_READS:
                data = port.read(port.in_waiting or 1)
                silent = 0 if data else silent + 1
                came += splitter.feed(data)
            found = came.pop(0) if came else None
            if found != item:
                return (
                    f"line {passed.line}, behind {last}: {shown(item)} was recorded, and now came "
                    f"{shown(found) if found is not None else 'nothing'}"
                )
    came += splitter.feed(port.read(port.in_waiting)) if port.in_waiting else []
    return f"behind the recording's end came {shown(came[0])}" if came else None

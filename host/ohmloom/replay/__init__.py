"""pyserial URL scheme of recordings: `protocol_replay` is `replay://`."""

"""Engines: what drives rows, converts columns and pulses cells for one command, and computes on the codes."""

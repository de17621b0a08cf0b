"""Analog front end: converters and switches as data sheets time them, and the drives and pulses made of them."""

"""Icepi Zero v1.3: ECP5 25F, 50 MHz, FT231X (UART up to 3 Mbaud), the Raspberry Pi's 40-pin header."""

from ohmloom_boards.board import Board

_GPIO = ("gpio", 0)
# The Raspberry Pi's numbers of the pins at which its GPIOs are.
_HEADER = {
    0: 27, 1: 28, 2: 3, 3: 5, 4: 7, 5: 29, 6: 31, 7: 26, 8: 24, 9: 21, 10: 19, 11: 23, 12: 32, 13: 33, 14: 8, 15: 10,
    16: 36, 17: 11, 18: 12, 19: 35, 20: 38, 21: 40, 22: 15, 23: 16, 24: 18, 25: 22, 26: 37, 27: 13,
}  # fmt: skip

BOARD = Board(
    title="Icepi Zero",
    platform="amaranth_boards.icepi_zero:IcepiZero1_3Platform",
    chip="bench-8x16",
    clock="clk50",
    loader="icepi-zero",
    afe={
        "row_dac_sclk": (_GPIO, "2"),
        "row_dac_sync_n": (_GPIO, "3"),
        "row_dac_din": (_GPIO, "4"),
        "rail_dac_sclk": (_GPIO, "14"),
        "rail_dac_sync_n": (_GPIO, "15"),
        "rail_dac_din": (_GPIO, "18"),
        "adc_sclk": (_GPIO, "17"),
        "adc_sync_n": (_GPIO, "27"),
        "adc_din": (_GPIO, "22"),
        "adc_sdo": (_GPIO, "10"),
        "switch_sclk": (_GPIO, "23"),
        "switch_sync_n": (_GPIO, "24"),
        "switch_din": (_GPIO, "25 8 7"),
        "switch_reset_n": (_GPIO, "9"),
        "pulse_gate": (_GPIO, "11"),
        "over_current": (_GPIO, "5"),
    },
    pin_labels={str(gpio): f"header pin {pin} (GPIO{gpio})" for gpio, pin in _HEADER.items()},
    notes=(
        "Header pins are numbered as on a Raspberry Pi; 1 and 17 are 3.3 V, 6, 9, 14, 20, 25, 30, 34 and 39 ground.",
    ),
)

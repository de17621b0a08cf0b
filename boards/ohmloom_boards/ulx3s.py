"""ULX3S v3: ECP5, 25 MHz, FT231X (UART up to 3 Mbaud), two 40-pin headers.

Pins GP/GN 11 .. 13 are shared with the ESP32 and 14 .. 17 with the on-board ADC: they are left free.
"""

from ohmloom_boards.board import Board

_GPIO = ("gpio", 0)

BOARD = Board(
    title="ULX3S",
    platform="amaranth_boards.ulx3s:ULX3S_45F_Platform",
    chip="lab-128x128x4",
    clock="clk25",
    flash="spi_flash",
    loader="ulx3s",
    afe={
        "row_dac_sclk": (_GPIO, "0+"),
        "row_dac_sync_n": (_GPIO, "0-"),
        "row_dac_din": (_GPIO, "1+ 1- 2+ 2- 3+ 3- 4+ 4- 5+ 5- 6+ 6- 7+ 7- 8+ 8-"),
        "rail_dac_sclk": (_GPIO, "9+"),
        "rail_dac_sync_n": (_GPIO, "9-"),
        "rail_dac_din": (_GPIO, "10+"),
        "over_current": (_GPIO, "10-"),
        "adc_sclk": (_GPIO, "18+"),
        "adc_sync_n": (_GPIO, "18-"),
        "adc_din": (_GPIO, "19+"),
        "adc_sdo": (_GPIO, "19- 20+ 20- 21+ 21- 22+ 22- 23+"),
        "switch_sclk": (_GPIO, "23-"),
        "switch_sync_n": (_GPIO, "24+"),
        "switch_din": (_GPIO, "24- 25+ 25- 26+ 26-"),
        "switch_reset_n": (_GPIO, "27+"),
        "pulse_gate": (_GPIO, "27-"),
    },
    pin_labels={
        f"{pair}{sign}": f"J{1 if pair < 14 else 2} {'GP' if sign == '+' else 'GN'}{pair}"
        for pair in range(28)
        for sign in "+-"
    },
    levels={"L2": 1},  # the ESP32's GPIO0: low, it would wait in its boot loader
    notes=(
        "Bitstreams are for the LFE5U-45F: the lab chip with its core has more block RAM than a 25F.",
        "GP and GN pins are printed at the headers as 0+, 0-, and so on.",
    ),
)

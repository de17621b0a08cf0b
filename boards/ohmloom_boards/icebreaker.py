"""iCEBreaker V1.0e and later: iCE40 UP5K, 12 MHz, FT2232H (UART up to 3 Mbaud), three PMODs."""

from ohmloom_boards.board import Board

_1A, _1B, _2 = ("pmod", 0), ("pmod", 1), ("pmod", 2)

BOARD = Board(
    title="iCEBreaker",
    platform="amaranth_boards.icebreaker:ICEBreakerPlatform",
    chip="bench-8x16",
    clock="clk12",
    loader="ice40_generic",
    afe={
        "row_dac_sclk": (_1A, "1"),
        "row_dac_sync_n": (_1A, "2"),
        "row_dac_din": (_1A, "3"),
        "rail_dac_sclk": (_1A, "7"),
        "rail_dac_sync_n": (_1A, "8"),
        "rail_dac_din": (_1A, "9"),
        "adc_sclk": (_1B, "1"),
        "adc_sync_n": (_1B, "2"),
        "adc_din": (_1B, "3"),
        "adc_sdo": (_1B, "4"),
        "over_current": (_1B, "10"),
        "switch_sclk": (_2, "1"),
        "switch_sync_n": (_2, "2"),
        "switch_din": (_2, "3 4 7"),
        "switch_reset_n": (_2, "8"),
        "pulse_gate": (_2, "9"),
    },
    connector_labels={_1A: "PMOD 1A", _1B: "PMOD 1B", _2: "PMOD 2"},
    notes=(
        "Break the LED and button section off, or take care that nothing else uses PMOD 2.",
        "Pins 5 and 11 of a PMOD are ground, 6 and 12 are 3.3 V.",
    ),
)

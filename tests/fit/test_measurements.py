"""The CSV file: what is read from it, and which line and column a mistake is blamed on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ohmloom.spec import load_chip
from ohmloom_emulator.devices import Statistical
from ohmloom_emulator.fit.iv import bend, chord_factor, read_noise
from ohmloom_emulator.fit.measurements import MeasurementError, read_measurements
from ohmloom_emulator.fit.models import family_of
from ohmloom_emulator.fit.trains import trains_of

HEADER = "device,pulse_index,volts,width_s,resistance_ohm"


def written(folder: Path, text: str) -> Path:
    path = folder / "lab.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_become_trains(tmp_path: Path) -> None:
    """A train starts at its device's first row; reads are averaged into the pulse before them; devices may alternate."""
    path = written(
        tmp_path,
        f"# a comment\n{HEADER},temperature_k\n"
        "b,0,,,20000,\n"
        "a,0,,,50000,\n\n"
        "a,1,1.5,1e-6,40000,350\n"
        "b,1,-1.5,2e-6,25000,\n"
        "a,1,,,40000,\n"
        "a,1,,,20000,\n"
        "a,7,-1,1e-6,100000,\n",
    )
    data = read_measurements(path)
    assert data.names == ("b", "a")
    trains = trains_of(data, 0.2, lambda volts, kelvin: np.ones_like(volts))
    pulses = trains.pulses
    np.testing.assert_array_equal(pulses.device, [0, 1, 1])
    np.testing.assert_array_equal(pulses.position, [0, 0, 1])
    np.testing.assert_array_equal(pulses.volts, [-1.5, 1.5, -1.0])
    np.testing.assert_array_equal(pulses.temperature_k, [300, 350, 300])
    np.testing.assert_allclose(trains.first_siemens, [50e-6, 20e-6])
    np.testing.assert_allclose(pulses.siemens, [40e-6, (25e-6 + 25e-6 + 50e-6) / 3, 10e-6])
    np.testing.assert_allclose(trains.before_siemens, [50e-6, 20e-6, 100e-6 / 3])
    np.testing.assert_array_equal(pulses.reads, [1, 3, 1])
    np.testing.assert_allclose(trains.repeat_variance, np.var([25e-6, 25e-6, 50e-6], ddof=1))


def test_currents_are_brought_to_low_voltage_by_the_i_v_curve(tmp_path: Path) -> None:
    """I = g sinh(s V) / s with s = 1.5/V, written out: reads at three voltages give s, and then g."""
    rows, rng = [], np.random.default_rng(1)
    for index, g in enumerate((10e-6, 40e-6, 20e-6)):
        rows.append(f"x,{index},{1.0 if index else ''},{1e-6 if index else ''},{1 / (g * np.sinh(0.3) / 0.3)},")
        rows += [
            f"x,{index},{v},,,{g * np.sinh(1.5 * v) / 1.5 * (1 + 1e-3 * rng.standard_normal())}"
            for v in (0.4, -0.8, 1.0)
        ]
    data = read_measurements(written(tmp_path, f"{HEADER},current_a\n" + "\n".join(rows) + "\n"))
    family = family_of("statistical", load_chip("bench-8x16"))
    found = bend(family, data, 0.2)
    assert found == pytest.approx(1.5, rel=0.01)
    trains = trains_of(data, 0.2, chord_factor(Statistical(sinh_per_v=found)))
    np.testing.assert_allclose([*trains.first_siemens, *trains.pulses.siemens], [10e-6, 40e-6, 20e-6], rtol=5e-3)


def test_read_noise_is_that_of_repeated_reads(tmp_path: Path) -> None:
    rng, rows = np.random.default_rng(2), []
    for device in range(60):
        g = 40e-6 * (1 + 0.03 * rng.standard_normal(4))
        rows += [f"{device},0,,,{1 / x}" for x in g[:3]] + [f"{device},1,1,1e-6,{1 / g[3]}"]
    trains = trains_of(
        read_measurements(written(tmp_path, "\n".join([HEADER, *rows]))), 0.2, lambda v, k: np.ones_like(v)
    )
    assert read_noise(family_of("statistical", None), trains) == pytest.approx(0.03, rel=0.15)
    few = trains_of(
        read_measurements(written(tmp_path, "\n".join([HEADER, *rows[:8]]))), 0.2, lambda v, k: np.ones_like(v)
    )
    assert read_noise(family_of("statistical", None), few) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no measurements; wanted: a line with device, pulse_index"),
        (HEADER + "\n", "no measurements"),
        ("device,pulse_index,volts,width_s\na,0,,\n", "line 1: no column resistance_ohm"),
        (f"{HEADER},colour\na,0,,,1e4,red\n", "line 1: unknown column 'colour'"),
        (f"{HEADER},volts\na,0,,,1e4,1\n", "line 1: column volts comes twice"),
        (f"{HEADER}\na,0,,,1e4\na,1,1.0,1e-6\n", "line 3: 4 fields, where the header has 5"),
        (f"{HEADER}\na,0,,,ten\n", "line 2, column resistance_ohm: a positive number of ohm wanted, given 'ten'"),
        (f"{HEADER}\na,0,,,-5\n", "line 2, column resistance_ohm: a positive number"),
        (f"{HEADER}\na,0,,,inf\n", "line 2, column resistance_ohm: a positive number"),
        (f"{HEADER}\n,0,,,1e4\n", "line 2, column device: a name"),
        (f"{HEADER}\na,,,,1e4\n", "line 2, column pulse_index: a whole number"),
        (f"{HEADER}\na,0,,,1e4\na,1,,1e-6,1e4\n", "line 3, column volts: the voltage of the pulse"),
        (f"{HEADER}\na,0,,,1e4\na,1,1,-1e-6,1e4\n", "line 3, column width_s: seconds, 0 or more"),
        (f"{HEADER}\na,1,1,1e-6,1e4\na,1,1,1e-6,1e4\n", "line 3, column pulse_index: a pulse after number 1"),
        (f"{HEADER}\na,1,1,1e-6,1e4\na,2,,,1e4\n", "line 3, column pulse_index: a read"),
        (f"{HEADER}\na,0,,,\n", "line 2, column resistance_ohm: either resistance_ohm or current_a"),
        (f"{HEADER},current_a\na,0,0.5,,,-1e-6\n", "line 2, column current_a: a current of the sign of volts"),
        (f"{HEADER},temperature_k\na,0,,,1e4,20\n", "line 2, column temperature_k: kelvin from 50 to 1000"),
        (f"{HEADER},read_v\na,0,,,1e4,0\n", "line 2, column read_v: volts other than 0"),
        (f"{HEADER},gate_v\na,0,,,1e4,-1\n", "line 2, column gate_v: volts, 0 or more"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(MeasurementError, match=r"lab\.csv") as error:
        read_measurements(written(tmp_path, text))
    assert message in str(error.value)


def test_a_device_without_pulses_is_named(tmp_path: Path) -> None:
    data = read_measurements(written(tmp_path, f"{HEADER}\na,0,,,1e4\na,1,1,1e-6,9e3\nb,0,,,1e4\n"))
    with pytest.raises(MeasurementError, match="line 4: device b has no pulse after its first row"):
        trains_of(data, 0.2, lambda v, k: np.ones_like(v))


def test_not_a_text(tmp_path: Path) -> None:
    (tmp_path / "lab.csv").write_bytes(b"\xff\xfe\x00device")
    with pytest.raises(MeasurementError, match="not a text in UTF-8"):
        read_measurements(tmp_path / "lab.csv")

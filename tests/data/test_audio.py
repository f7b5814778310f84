"""WAV files as log-mel energies."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unrolled.data.audio import BANDS, FLOOR, log_mel, mel_filters, read_sounds, read_wav, resampled
from unrolled.errors import DataError

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import wavfile

Complaint = Callable[[Callable[[], object]], str]
RATE = 16_000


def tone(frequency: float, seconds: float = 0.5, rate: int = RATE) -> NDArray[np.float64]:
    """A sine from -0.5 to 0.5."""
    samples: NDArray[np.float64] = 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)
    return samples


def centre_of(band: int, rate: int) -> float:
    """The frequency in the middle of a band, in Hz."""
    highest = 2595 * np.log10(1 + rate / 2 / 700)
    return float(700 * (10 ** ((band + 1) * highest / (BANDS + 1) / 2595) - 1))


def write(path: Path, samples: NDArray[Any], kind: str = "int16", rate: int = RATE) -> Path:
    """Write samples from -1 to 1, [N] or [N, channels]."""
    if kind == "int24":
        channels = 1 if samples.ndim == 1 else samples.shape[1]
        values = np.round(samples * (1 << 23)).clip(-(1 << 23), (1 << 23) - 1).astype("<i4").reshape(-1)
        content = b"".join(value.tobytes()[:3] for value in values)
        fmt = struct.pack("<HHIIHH", 1, channels, rate, rate * 3 * channels, 3 * channels, 24)
        chunks = b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", len(content)) + content
        path.write_bytes(b"RIFF" + struct.pack("<I", len(chunks)) + chunks)
    elif kind == "uint8":
        wavfile.write(path, rate, np.round(128 + 127 * samples).astype(np.uint8))
    elif kind.startswith("float"):
        wavfile.write(path, rate, samples.astype(kind))
    else:
        wavfile.write(path, rate, np.round(samples * np.iinfo(kind).max).astype(kind))
    return path


@pytest.mark.parametrize(
    ("kind", "tolerance"),
    [("uint8", 0.02), ("int16", 1e-4), ("int24", 1e-6), ("int32", 1e-8), ("float32", 1e-7), ("float64", 1e-7)],
)
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_samples_of_every_depth_are_read_and_channels_averaged(
    tmp_path: Path, kind: str, tolerance: float, channels: int
) -> None:
    samples = np.stack([tone(300 + 200 * channel) for channel in range(channels)], axis=1)
    found, rate = read_wav(write(tmp_path / "a.wav", samples[:, 0] if channels == 1 else samples, kind))
    assert rate == RATE
    np.testing.assert_allclose(found, samples.mean(axis=1), atol=tolerance, rtol=1e-12)


@pytest.mark.parametrize("rate", [1_000, 8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 400_000])
def test_every_band_has_a_bin_and_every_bin_between_the_ends_a_band(rate: int) -> None:
    filters = mel_filters(rate)
    assert filters.shape[0] == BANDS
    assert filters.sum(axis=1).min() > 0.5
    assert (np.diff(filters.argmax(axis=1)) >= 0).all()
    first, last = centre_of(0, rate), centre_of(BANDS - 1, rate)
    frequencies = np.linspace(0, rate / 2, filters.shape[1])
    inside = (frequencies >= first) & (frequencies <= last)
    np.testing.assert_allclose(filters[:, inside].sum(axis=0), 1)


@pytest.mark.parametrize("band", [0, 7, 20, 39])
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_a_tone_is_loudest_in_its_band(band: int, rate: int) -> None:
    energies = log_mel(tone(centre_of(band, rate), rate=rate), rate)
    assert (energies[2:-2].argmax(axis=1) == band).all()


def test_energies_are_those_of_the_equation() -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 1_000)
    window, hop, size = 400, 160, 512
    weights = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    expected = np.empty((7, BANDS))
    for step in range(7):
        frame = np.zeros(window)
        for n in range(window):
            position = step * hop + n - window // 2
            frame[n] = weights[n] * samples[position] if 0 <= position < len(samples) else 0
        bins = np.exp(-2j * np.pi * np.outer(np.arange(size // 2 + 1), np.arange(window)) / size)
        power = np.abs(bins @ frame) ** 2 / (weights.sum() / 2) ** 2
        expected[step] = np.log(np.maximum(FLOOR, mel_filters(RATE) @ power))
    energies = log_mel(samples, RATE)
    assert energies.dtype == np.float32
    np.testing.assert_allclose(energies, expected, rtol=1e-5)


@pytest.mark.parametrize(("samples", "steps"), [(1, 1), (160, 1), (161, 2), (16_000, 100), (1_000_000, 6_250)])
def test_there_is_a_step_for_each_hop(samples: int, steps: int) -> None:
    energies = log_mel(np.zeros(samples), RATE)
    assert energies.shape == (steps, BANDS)
    np.testing.assert_allclose(energies, np.log(FLOOR), rtol=1e-6)


def test_a_resampled_tone_is_the_same_tone() -> None:
    expected = tone(440, rate=16_000)
    for rate in (8_000, 44_100, 48_000):
        found = resampled(tone(440, rate=rate), rate, 16_000)
        assert abs(len(found) - len(expected)) <= 1
        np.testing.assert_allclose(found[500:7500], expected[500:7500], atol=2e-3)


def test_sounds_have_one_rate_or_are_resampled(tmp_path: Path, complaint: Complaint) -> None:
    paths = [write(tmp_path / "a.wav", tone(440)), write(tmp_path / "b.wav", tone(440, rate=8_000), rate=8_000)]
    assert complaint(lambda: read_sounds(paths)) == (
        f"{paths[1]}: expected 16,000 Hz as in a.wav, got 8,000 Hz. "
        "Resample all sounds: data: {folder: ..., rate: 8000}"
    )
    series, rate = read_sounds(paths, 8_000)
    assert (rate, [item.shape for item in series]) == (8_000, [(50, BANDS)] * 2)
    loud = series[1] > -12
    np.testing.assert_allclose(series[0][loud], series[1][loud], atol=1)
    assert read_sounds(paths[:1])[1] == 16_000


DAMAGED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty file": (lambda whole: b"", "not a WAV file, or a damaged one"),
    "text": (lambda whole: b"a text, not a sound", "not a WAV file, or a damaged one"),
    "header alone": (lambda whole: whole[:44], "cut off after 44 of 16,044 bytes. Copy it again."),
    "half a file": (lambda whole: whole[:9_000], "cut off after 9,000 of 16,044 bytes. Copy it again."),
    "compressed": (lambda whole: whole[:20] + b"\x02" + whole[21:], "not a WAV file, or a damaged one"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_file_that_is_no_sound_is_refused(tmp_path: Path, damage: str, complaint: Complaint) -> None:
    path = write(tmp_path / "a.wav", tone(440))
    change, message = DAMAGED[damage]
    path.write_bytes(change(path.read_bytes()))
    assert complaint(lambda: read_wav(path)).startswith(f"{path}: {message}")


def test_sounds_without_samples_with_infinite_ones_or_of_a_strange_rate_are_refused(
    tmp_path: Path, complaint: Complaint
) -> None:
    path = write(tmp_path / "a.wav", np.zeros(0))
    assert complaint(lambda: read_wav(path)) == f"{path}: no samples. Remove it."
    for value, kind in ((np.nan, "float32"), (-np.inf, "float32"), (1e300, "float64")):
        write(path, np.array([0.1, value]), kind)
        assert complaint(lambda: read_wav(path)) == f"{path}: some of its samples are not finite. Save it again."
    write(path, tone(440), rate=500)
    assert complaint(lambda: read_wav(path)) == f"{path}: expected 1,000 to 400,000 Hz, got 500 Hz. Resample it."
    missing = tmp_path / "b.wav"
    assert complaint(lambda: read_wav(missing)) == f"{missing}: no such file. Check the path."


def test_a_sound_that_was_written_to_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", tone(440))
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + b"\xff" * 4 + whole[8:40] + b"\xff" * 4 + whole[44:])
    np.testing.assert_allclose(read_wav(path)[0], tone(440), atol=1e-4)


def test_other_chunks_are_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", tone(440))
    whole = path.read_bytes() + b"LIST" + struct.pack("<I", 4) + b"INFO"
    path.write_bytes(whole[:4] + struct.pack("<I", len(whole) - 8) + whole[8:])
    assert len(read_wav(path)[0]) == 8_000


def test_damaged_sounds_are_read_or_refused_in_one_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", tone(440, seconds=0.02))
    content, refused = path.read_bytes(), 0
    for seed in range(400):
        random = np.random.default_rng(seed)
        changed = bytearray(content[: random.integers(1, len(content) + 1)] if seed % 3 == 0 else content)
        for position in random.integers(0, min(len(changed), 60), 3):
            changed[position] = random.integers(0, 256)
        path.write_bytes(bytes(changed))
        try:
            assert read_sounds([path], 8_000)[0][0].shape[1] == BANDS
        except DataError as error:
            assert "\n" not in str(error), seed
            refused += 1
    assert refused > 50

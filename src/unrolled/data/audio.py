"""Sounds in WAV files as sequences of log-mel energies."""

import io
import struct
import warnings
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

from unrolled.errors import DataError, first_line
from unrolled.storage import cannot_read

import numpy as np
from numpy.typing import NDArray

SOUNDS = (".wav", ".wave")
OTHER_SOUNDS = (".mp3", ".flac", ".ogg", ".opus", ".m4a", ".aac", ".wma", ".aif", ".aiff")
"""Formats that are not read."""
BANDS = 40
WINDOW_SECONDS, HOP_SECONDS = 0.025, 0.010
# 100 dB below a full-scale sine, which is about the noise of 16-bit samples.
FLOOR = 1e-10
LOWEST_RATE, HIGHEST_RATE = 1_000, 400_000
_FRAMES_AT_ONCE = 4096
# Programs that write to a pipe do not know the length, and put a number above this one into the header.
_UNKNOWN_LENGTH = 0x7FFF0000
# Some programs count the header's own bytes.
_MOST_MISSING = 64

Samples = NDArray[np.floating[Any]]


def read_sounds(paths: list[Path], rate: int | None = None) -> tuple[list[NDArray[np.float32]], int]:
    """Read WAV files as series of log-mel energies.

    Args:
        paths: The files, one or more.
        rate: The sampling rate to which all are resampled, in Hz; without it all must have one.

    Returns:
        The series [T, 40] of each file (see ``log_mel``), and their sampling rate.

    Raises:
        DataError: A file is missing, damaged, empty or not a WAV file, its rate differs from that of the first, or
            ``rate`` is not possible.
    """
    if rate is not None and not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise DataError(f"rate: expected {LOWEST_RATE:,} to {HIGHEST_RATE:,} Hz, got {rate:,}. Set for example 16000.")
    series, common = [], rate
    for path in paths:
        samples, own = read_wav(path)
        common = common or own
        if rate is None and own != common:
            raise DataError(
                f"{path}: expected {common:,} Hz as in {paths[0].name}, got {own:,} Hz. "
                f"Resample all sounds: data: {{folder: ..., rate: {min(own, common)}}}"
            )
        series.append(log_mel(resampled(samples, own, common), common))
    assert common is not None
    return series, common


def read_wav(path: Path) -> tuple[Samples, int]:
    """Read the samples of a WAV file.

    Args:
        path: A file of 8, 16, 24 or 32-bit PCM or of floats.

    Returns:
        [N] samples from -1 to 1, the mean of all channels, and the sampling rate in Hz.

    Raises:
        DataError: The file is missing, damaged, cut off, empty or not a WAV file.
    """
    from scipy.io import wavfile  # SciPy takes longer to import than the rest together

    try:
        content = path.read_bytes()
    except OSError as error:
        raise cannot_read(path, error) from None
    if content[:4] == b"RIFF" and len(content) > 8:
        length = 8 + struct.unpack("<I", content[4:8])[0]
        if len(content) + _MOST_MISSING < length < _UNKNOWN_LENGTH:
            raise DataError(f"{path}: cut off after {len(content):,} of {length:,} bytes. Copy it again.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)
            rate, values = wavfile.read(io.BytesIO(content))
        samples = _as_floats(np.asarray(values))
    except (ValueError, TypeError, EOFError, ArithmeticError, MemoryError, UnboundLocalError, struct.error) as error:
        reason = first_line(error, 80)
        raise DataError(f"{path}: not a WAV file, or a damaged one ({reason}). Save it as 16-bit PCM.") from None
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise DataError(f"{path}: expected {LOWEST_RATE:,} to {HIGHEST_RATE:,} Hz, got {rate:,} Hz. Resample it.")
    if not samples.size:
        raise DataError(f"{path}: no samples. Remove it.")
    if not np.isfinite(samples).all():
        raise DataError(f"{path}: some of its samples are not finite. Save it again.")
    return samples, int(rate)


def _as_floats(values: NDArray[Any]) -> Samples:
    """Return samples from -1 to 1, [N]; SciPy shifts integers of fewer bits to the upper end of their type."""
    with np.errstate(invalid="ignore", over="ignore"):
        # Numbers beyond float32 become infinite, and are refused as such.
        samples = (values.astype(np.float32) if values.dtype.kind == "f" else values).astype(np.float64)
    if values.dtype.kind == "u":
        samples = samples / 128 - 1
    elif values.dtype.kind == "i":
        samples = samples / 2.0 ** (8 * values.dtype.itemsize - 1)
    return samples if samples.ndim == 1 else samples.mean(axis=1)


def resampled(samples: Samples, rate: int, wanted: int) -> Samples:
    """Return samples at another sampling rate, [N * wanted / rate]."""
    if rate == wanted:
        return samples
    from scipy.signal import resample_poly

    ratio = Fraction(wanted, rate)
    changed: Samples = resample_poly(samples, ratio.numerator, ratio.denominator)
    return changed


def log_mel(samples: Samples, rate: int) -> NDArray[np.float32]:
    """Return the log-mel energies of a sound, a step for each 10 ms.

    ::

        P[t, k] = |sum_n w[n] x[t hop + n - window / 2] exp(-2 pi i k n / K)|^2 / (sum_n w[n] / 2)^2
        y[t, b] = log(max(1e-10, sum_k W[b, k] P[t, k]))

    with windows w of 25 ms (Hann), of which neighbours are 10 ms apart, and zeros around the sound. P of a sine from -1
    to 1 is 1 in the bin of its frequency. W is the ``mel_filters``.

    Args:
        samples: [N] samples from -1 to 1.
        rate: The sampling rate, in Hz.

    Returns:
        [T, 40], T the number of hops that begin within the sound.

    Reference:
        Davis and Mermelstein, "Comparison of parametric representations for monosyllabic word recognition in
        continuously spoken sentences", 1980.
    """
    window, hop = round(WINDOW_SECONDS * rate), round(HOP_SECONDS * rate)
    filters = mel_filters(rate)
    bins = 2 * (filters.shape[1] - 1)
    weights = np.hanning(window + 1)[:-1]
    padded = np.pad(samples, (window // 2, window))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[: len(samples) : hop]
    energies = [
        (np.abs(np.fft.rfft(frames[begin : begin + _FRAMES_AT_ONCE] * weights, bins)) ** 2) @ filters.T
        for begin in range(0, len(frames), _FRAMES_AT_ONCE)
    ]
    scaled = np.concatenate(energies) / (weights.sum() / 2) ** 2
    series: NDArray[np.float32] = np.log(np.maximum(scaled, FLOOR)).astype(np.float32)
    return series


@lru_cache(maxsize=8)
def mel_filters(rate: int, bands: int = BANDS) -> NDArray[np.float64]:
    """Return triangular filters whose centres are equally far apart on the mel scale, from 0 Hz to half the rate.

    ::

        mel(f) = 2595 log10(1 + f / 700)

    The filter of band b rises from 0 at the centre of b - 1 to 1 at its own centre, and falls to 0 at that of b + 1.

    Args:
        rate: The sampling rate, in Hz.
        bands: The number of filters.

    Returns:
        [bands, K / 2 + 1], the weight of each bin of a discrete Fourier transform of K samples. K is a power of two, no
        less than the window and large enough that the narrowest filter has a bin.

    Reference:
        O'Shaughnessy, "Speech Communication: Human and Machine", 1987.
    """
    highest = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, highest, bands + 2) / 2595) - 1)
    size = 1 << int(np.ceil(np.log2(max(WINDOW_SECONDS * rate, rate / edges[1]))))
    frequencies = np.arange(size // 2 + 1) * rate / size
    rising = (frequencies - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - frequencies) / np.diff(edges)[1:, None]
    filters: NDArray[np.float64] = np.maximum(0, np.minimum(rising, falling))
    return filters

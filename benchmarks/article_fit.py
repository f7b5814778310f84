"""The article's network: `unrolled` and plain Keras on each backend, in turn, in one run.

Claim: none yet. The layers are Keras' own, so a ratio that is not about 1 on the same backend is a defect; the
backends differ by several times. Machine, versions and the sgemm peak of the same run are printed with the table.

Each program trains in a process of its own, because Keras takes one backend a process. The first epoch compiles and is
not counted; of the three after it the median is taken, because TensorFlow at times compiles again in the second.
`--quick` trains on 3,200 images, otherwise on 12,800; `--rounds` repeats everything, interleaved.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from typing import Any

import numpy as np

PROGRAM = """
import json, sys, time
layers, images = sys.argv[1], int(sys.argv[2])
from unrolled.data import mnist
import keras
if layers == "unrolled":
    from unrolled.layers import LSTM
else:
    from keras.layers import LSTM
from keras.layers import Dense, Dropout

(x, y), _ = mnist.load_data()
x, y = (x[:images] / 255.0).astype("float32"), y[:images]
keras.utils.set_random_seed(0)
model = keras.Sequential([
    keras.Input((28, 28)),
    LSTM(128, activation="relu", return_sequences=True), Dropout(0.2),
    LSTM(128, activation="relu"), Dropout(0.1),
    Dense(32, activation="relu"), Dropout(0.2),
    Dense(10, activation="softmax"),
])
model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
outputs = model.predict(x[:64], verbose=0)
seconds = []
for epoch in range(4):
    began = time.perf_counter()
    model.fit(x, y, batch_size=32, epochs=1, shuffle=False, verbose=0)
    seconds.append(time.perf_counter() - began)
median = sorted(seconds[1:])[1]
print(json.dumps({"compiling": seconds[0] - median, "seconds": median, "outputs": outputs.tolist()}))
"""
MEGAFLOPS_PER_IMAGE = 34.6  # forward, backward and weight gradients of every matrix product of the network


def main() -> None:
    """Measure, check and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="3,200 images and one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backends", nargs="+", default=["jax", "tensorflow", "torch"])
    parser.add_argument("--json", action="store_true", help="print every measurement")
    options = parser.parse_args()
    images, rounds = (3_200, 1) if options.quick else (12_800, options.rounds)
    arms = [(layers, backend) for backend in options.backends for layers in ("keras", "unrolled")]
    measured: dict[tuple[str, str], list[dict[str, Any]]] = {arm: [] for arm in arms}
    peaks = []
    for number in range(rounds):
        for arm in arms if number % 2 == 0 else arms[::-1]:
            peaks.append(sgemm_peak())
            measured[arm].append(train(*arm, images))
            print(f"round {number + 1}/{rounds}: {' '.join(arm)}", file=sys.stderr, flush=True)
    for backend in options.backends:
        ours, theirs = (np.array(measured[name, backend][0].pop("outputs")) for name in ("unrolled", "keras"))
        if not np.allclose(ours, theirs, atol=1e-5):
            raise SystemExit(f"{backend}: outputs differ by {np.abs(ours - theirs).max():.2g}; nothing is compared")
    if options.json:
        print(json.dumps({" ".join(arm): runs for arm, runs in measured.items()}, indent=2))
        return
    print_table(measured, images, statistics.median(peaks))


def train(layers: str, backend: str, images: int) -> dict[str, Any]:
    """Seconds of one epoch, and of compiling, in a process of its own."""
    command = [sys.executable, "-c", PROGRAM, layers, str(images)]
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    finished = subprocess.run(command, env=environment, capture_output=True, text=True)
    if finished.returncode != 0:
        raise SystemExit(f"{layers} on {backend} failed:\n{finished.stderr}")
    result: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return result


def sgemm_peak(side: int = 1536, repeats: int = 5) -> float:
    """The best GFLOP/s of NumPy's matrix product on all cores."""
    a = np.random.default_rng(0).normal(size=(side, side)).astype(np.float32)
    best = float("inf")
    for _ in range(repeats):
        began = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - began)
    return 2 * side**3 / best / 1e9


def print_table(measured: dict[tuple[str, str], list[dict[str, Any]]], images: int, peak: float) -> None:
    """Median and spread of each arm, and how many times unrolled is faster."""
    print(f"one epoch of {images:,} images, batch 32; sgemm peak {peak:.0f} GFLOP/s in this run\n")
    print("| layers | backend | s/epoch | spread | of the peak | compiling s | times faster than keras |")
    print("|---|---|---|---|---|---|---|")
    for (layers, backend), runs in measured.items():
        seconds = [run["seconds"] for run in runs]
        keras_seconds = [run["seconds"] for run in measured["keras", backend]]
        ratio = statistics.median(k / s for k, s in zip(keras_seconds, seconds, strict=True))
        share = MEGAFLOPS_PER_IMAGE * images / 1e3 / statistics.median(seconds) / peak
        compiling = statistics.median(run["compiling"] for run in runs)
        spread = f"{min(seconds):.1f} to {max(seconds):.1f}"
        print(
            f"| {layers} | {backend} | {statistics.median(seconds):.1f} | {spread} | {share:.0%} | {compiling:.1f} "
            f"| {ratio:.2f} |"
        )


if __name__ == "__main__":
    main()

"""Pack the four MNIST files into the package: ``python scripts/pack_mnist.py FOLDER``.

FOLDER contains the published IDX files, gzipped. Each becomes an xz file whose contents are the IDX file, bit for bit
(``xz -dc FILE | md5sum`` prints the published checksum). The training images are split into four xz streams, which
costs 2 % in size and allows four cores to decompress them in parallel.
"""

import gzip
import hashlib
import lzma
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from unrolled.data.arrays import read_idx
from unrolled.data.bundled import FILES

STREAMS = {"train-images-idx3-ubyte": 4}
# Pixels have neither the alignment that pb assumes nor the literal position that lp assumes; both cost size.
FILTERS = [
    {
        "id": lzma.FILTER_LZMA2,
        "dict_size": 1 << 24,
        "lc": 4,
        "lp": 0,
        "pb": 0,
        "mode": lzma.MODE_NORMAL,
        "mf": lzma.MF_BT4,
        "nice_len": 273,
        "depth": 1000,
    }
]


def compress(data: bytes) -> bytes:
    """Compress data into one xz stream."""
    return lzma.compress(data, format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC32, filters=FILTERS)


def pack(source: Path, target: Path, streams: int) -> None:
    """Write ``target`` from the gzipped ``source``, and check that it reads back as the same array."""
    contents = gzip.decompress(source.read_bytes())
    length = -(-len(contents) // streams)
    with ProcessPoolExecutor() as pool:
        parts = pool.map(compress, [contents[i * length : (i + 1) * length] for i in range(streams)])
        target.write_bytes(b"".join(parts))
    original = source.with_suffix("")
    if read_idx(target).tobytes() != contents[4 + 4 * contents[3] :]:
        raise SystemExit(f"{target}: does not unpack to {original.name}. Change the number of streams.")
    print(f"{hashlib.md5(contents).hexdigest()}  {target.name}  {target.stat().st_size:,} bytes")


def main() -> None:
    """Pack all four files."""
    source = Path(sys.argv[1])
    target = Path(__file__).parents[1] / "src/unrolled/data/files/mnist"
    target.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        pack(source / f"{name}.gz", target / f"{name}.xz", STREAMS.get(name, 1))


if __name__ == "__main__":
    main()

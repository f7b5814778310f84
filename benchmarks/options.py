"""The command line, checked before anything is started."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from benchmarks.cases import BACKENDS, Arm, Case
from benchmarks.catalogue import QUICK, SHAPES, all_cases
from benchmarks.machine import usable_cores
from benchmarks.measuring import Effort
from benchmarks.processes import ROOT
from benchmarks.tasks import Shape
from unrolled.errors import did_you_mean

RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "performance.md"
QUICK_EFFORT, FULL_EFFORT = Effort(rounds=5, block_seconds=0.03), Effort(rounds=9, block_seconds=0.15)
QUICK_IMAGES, FULL_IMAGES = 1_600, 6_400


@dataclass(frozen=True)
class Options:
    """Valid options."""

    cases: tuple[Case, ...]
    effort: Effort
    cores: tuple[int, ...]
    whole: bool
    """True if all cases are measured, so that the page is rendered from them."""
    list_only: bool
    render: tuple[Path, ...]
    results: Path
    page: Path | None
    """The page to render; None to leave it unchanged."""


def parse(words: Sequence[str]) -> Options:
    """Return the options; exit with status 2 and a message of one line if they are invalid."""
    parser = _parser()
    arguments = parser.parse_args(words)
    cores = usable_cores()
    if arguments.threads > len(cores):
        parser.error(
            f"--threads: expected 1 to {len(cores)}, the cores of this machine, got {arguments.threads}. Choose fewer."
        )
    cores = cores[: arguments.threads or len(cores)]
    for path in arguments.render or []:
        if not path.is_file():
            parser.error(f"--render: {path}: no such file. Result files are in {RESULTS}.")
    effort = QUICK_EFFORT if arguments.quick else FULL_EFFORT
    if arguments.rounds:
        effort = Effort(arguments.rounds, effort.block_seconds)
    whole = not (arguments.quick or arguments.cases or arguments.shapes or set(arguments.backends) != set(BACKENDS))
    rendered = whole or arguments.render is not None
    return Options(
        cases=_choose(parser, arguments, len(cores)),
        effort=effort,
        cores=tuple(cores),
        whole=whole,
        list_only=arguments.list,
        render=tuple(arguments.render or ()),
        results=arguments.results,
        page=arguments.page or (PAGE if rendered else None),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Time unrolled beside Keras and torch.nn, in turn, after checking that they compute the same.",
        epilog="A run of everything renders docs/performance.md; a part of it only with --page or --render.",
    )
    parser.add_argument("--quick", action="store_true", help="a few cases on JAX and torch.nn, within two minutes")
    parser.add_argument("--cases", nargs="+", metavar="PATTERN", help='such as article "layer/gru/*/tanh" scaling')
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=BACKENDS, metavar="BACKEND")
    parser.add_argument("--shapes", nargs="+", type=_shape, metavar="BxTxFxH", help="of the layer cases")
    parser.add_argument("--images", type=_positive, metavar="N", help="of MNIST in an epoch of the article's network")
    parser.add_argument("--rounds", type=_positive, metavar="N", help="number of rounds")
    parser.add_argument("--threads", type=_positive, default=0, metavar="N", help="cores to use; default: all")
    parser.add_argument("--list", action="store_true", help="print the names of the cases and exit")
    parser.add_argument(
        "--render", nargs="+", type=Path, metavar="FILE", help="render the page from results, without measuring"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER", help="folder of the JSON file")
    parser.add_argument("--page", type=Path, metavar="FILE", help="render this page, even from a part of the cases")
    return parser


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f'expected a whole number of at least 1, got "{text}". For example: 5.')
    return int(text)


def _shape(text: str) -> Shape:
    try:
        return Shape.parse(text)
    except ValueError:
        message = (
            f'expected batch, time, features and units such as {SHAPES[0]}, got "{text}". Separate four sizes by x.'
        )
        raise argparse.ArgumentTypeError(message) from None


def _choose(parser: argparse.ArgumentParser, arguments: argparse.Namespace, cores: int) -> tuple[Case, ...]:
    """Return the matching cases, without arms of other backends."""
    images = arguments.images or (QUICK_IMAGES if arguments.quick else FULL_IMAGES)
    # Whole batches only: a smaller last one would be compiled for itself.
    images = max(32, min(60_000, images) // 32 * 32)
    every = all_cases(images=images, cores=cores, shapes=tuple(arguments.shapes or SHAPES), unroll=not arguments.quick)
    chosen = every
    if arguments.quick and not arguments.cases:
        chosen = [case for case in every if any(fnmatchcase(case.name, pattern) for pattern in QUICK)]
    for pattern in arguments.cases or []:
        if not any(_matches(case, pattern) for case in every):
            words = {part for case in every for part in (case.name, *case.name.split("/"))}
            hint = did_you_mean(pattern, words) or " List them with --list."
            parser.error(f'--cases: no case matches "{pattern}".{hint}')
    if arguments.cases:
        chosen = [case for case in every if any(_matches(case, pattern) for pattern in arguments.cases)]
    quick = arguments.quick and set(arguments.backends) == set(BACKENDS)
    kept = (case.keeping(lambda arm: _is_wanted(arm, arguments.backends, quick=quick)) for case in chosen)
    cases = tuple(case for case in kept if case is not None)
    if not cases:
        backends = " ".join(arguments.backends)
        parser.error(f"--backends: these cases have no program on {backends}. Leave it out.")
    return cases


def _matches(case: Case, pattern: str) -> bool:
    """Return True if the pattern matches the whole name, its start, or one of its parts."""
    return any(fnmatchcase(case.name, whole) for whole in (pattern, f"{pattern}/*", f"*/{pattern}/*", f"*/{pattern}"))


def _is_wanted(arm: Arm, backends: Sequence[str], *, quick: bool) -> bool:
    if quick and (arm.worker == "tensorflow" or (arm.worker == "torch" and arm.program in ("keras", "unrolled"))):
        return False  # slow to start and to compile, and slow to run
    return arm.worker == "processor" or arm.worker in backends

"""The command: ``make bench``, or ``python -m benchmarks --help``."""

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict

from benchmarks.machine import describe_machine
from benchmarks.measuring import measure
from benchmarks.options import Options, parse
from benchmarks.processes import WorkerFailed, Workers
from benchmarks.results import FORMAT, Run, load, new_path, save
from benchmarks.terminal import describe_case, show_progress
from unrolled.errors import UnrolledError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0, 1 if a program of unrolled failed, or 2 if the arguments are impossible."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    try:
        if options.list_only:
            print("\n".join(case.name for case in options.cases))
            return 0
        if options.render:
            _render(load(list(options.render)), options)
            return 0
        return _run(options)
    except (UnrolledError, WorkerFailed) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nbenchmarks: interrupted; the finished cases are kept", file=sys.stderr)
        return 130


def _run(options: Options) -> int:
    path = new_path(options.results, whole=options.whole)
    machine = describe_machine(list(options.cores))
    run: Run = {"format": FORMAT, "machine": machine, "effort": asdict(options.effort), "cases": []}
    with Workers(list(options.cores)) as workers:
        for framework in sorted({"processor", *(arm.worker for case in options.cases for arm in case.arms)}):
            show_progress(f"starting {framework}")
            description = workers[framework].description
            machine["versions"] |= description["versions"]
            machine |= {key: description[key] for key in ("isa", "threads")}
        for case in options.cases:
            record = measure(case, workers, options.effort, show_progress)
            run["cases"].append(record)
            machine["load_after"] = os.getloadavg()[0]
            save(path, run)
            show_progress("")
            print(describe_case(record), flush=True)
    _render(run, options)
    print(path)
    return 1 if _failed(run) else 0


def _render(run: Run, options: Options) -> None:
    if options.page:
        from benchmarks.page import render  # matplotlib is loaded only where something is drawn

        render(run, options.page)
        print(options.page)


def _failed(run: Run) -> bool:
    """Return True if a program of unrolled failed, or a peer computed other numbers; other failures are only listed."""
    return any(
        arm.get("failure") and (arm["ours"] or "difference" in arm) for case in run["cases"] for arm in case["arms"]
    )


if __name__ == "__main__":
    sys.exit(main())

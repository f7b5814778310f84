"""Training of one experiment with several seeds, which shows the variation between seeds."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from unrolled.comparison.groups import REPEATED_FILE, Group, parse_seeds
from unrolled.config.experiment import ExperimentConfig, recipes
from unrolled.errors import Interrupted, InvalidSetting, RunError, TrainingStopped
from unrolled.model.build import build_model, prepare
from unrolled.runs.folders import find_run_or_group, is_group
from unrolled.runs.run import Run
from unrolled.storage import locked
from unrolled.training.processes import StopRequest, run_commands, unrolled_command
from unrolled.training.progress import Progress, choose_progress
from unrolled.training.trainer import resume_run, train_experiment

OnTrained = Callable[[Run], object]

SEEDS = 5


def repeat_experiment(
    experiment: str | Path | Mapping[str, Any] | ExperimentConfig | Group,
    request: StopRequest,
    *,
    seeds: int | str | Sequence[int] | None,
    jobs: int,
    overrides: Sequence[str],
    runs: Path,
    name: str | None,
    quiet: bool,
    on_trained: OnTrained | None = None,
) -> Group:
    """Train an experiment with several seeds under the caller's stop request.

    The arguments, results and errors are those of ``repeat``, but for these.

    Args:
        experiment: Experiment of a new group, or the group to continue.
        request: Stop request.
        seeds: Seeds, or the text of ``--seeds``.
        jobs: Number of trainings at a time.
        overrides: Settings to override.
        runs: Folder in which the group's folder is made.
        name: Name of a new group.
        quiet: Print nothing.
        on_trained: Called with each run that was trained in this process.
    """
    group = _open_or_create(experiment, seeds, overrides, name, runs)
    train_missing(group, jobs, request, quiet=quiet, on_trained=on_trained)
    return group


def _open_or_create(
    experiment: str | Path | Mapping[str, Any] | ExperimentConfig | Group,
    seeds: int | str | Sequence[int] | None,
    overrides: Sequence[str],
    name: str | None,
    runs: Path,
) -> Group:
    group = _group_at(experiment, runs)
    if group is None:
        config = ExperimentConfig.load(experiment, overrides=overrides, name=name)  # type: ignore[arg-type]
        requested = _parse_seeds(SEEDS if seeds is None else seeds, config)
        return Group.create(_checked(config, requested), requested, runs)
    if overrides or name is not None:
        option = "--name" if name is not None else "--set"
        raise InvalidSetting(
            f"{group.path}: {option} cannot change a group that exists. Leave it out, or make a new group."
        )
    if seeds is not None:
        requested = _parse_seeds(seeds, group.experiment)
        _checked(group.experiment, requested)
        group.ask_for(requested)
    return group


def _group_at(experiment: Any, runs: Path) -> Group | None:
    """Return the group that is named; None where it is an experiment."""
    if isinstance(experiment, Group):
        return experiment
    if not isinstance(experiment, str | Path):
        return None
    folder = next((path for path in (Path(experiment), runs / experiment) if is_group(path)), None)
    if folder is None and experiment not in recipes() and not Path(experiment).exists():
        with suppress(RunError):
            found = find_run_or_group(str(experiment), runs)
            folder = found if is_group(found) else None
    return Group.open(folder) if folder else None


def _parse_seeds(seeds: int | str | Sequence[int], experiment: ExperimentConfig) -> tuple[int, ...]:
    text = seeds if isinstance(seeds, int | str) else ",".join(f"{seed}-{seed}" for seed in seeds)
    return parse_seeds(str(text), experiment.seed)


def _checked(config: ExperimentConfig, seeds: Sequence[int]) -> ExperimentConfig:
    """Check an experiment before anything is written, and return it resolved."""
    for seed in seeds:
        ExperimentConfig.load(config, seed=seed)
    resolved, task = prepare(config)
    build_model(resolved, task)
    return resolved


def train_missing(
    group: Group, jobs: int, request: StopRequest, *, quiet: bool, on_trained: OnTrained | None = None
) -> None:
    """Train the seeds of a group that have no finished run; resume those that were interrupted.

    Args:
        group: The group.
        jobs: Number of trainings at a time.
        request: Stop request.
        quiet: Print nothing.
        on_trained: Called with each run that was trained in this process.

    Raises:
        RunError: Another process trains seeds of the group.
        TrainingStopped: Some seeds failed.
        Interrupted: A signal arrived; the runs that were under way can be resumed.
    """
    with locked(group.path):
        _train_seeds(group, group.missing(), jobs, request, quiet=quiet, on_trained=on_trained)


def _train_seeds(
    group: Group,
    seeds: Sequence[int],
    jobs: int,
    request: StopRequest,
    *,
    quiet: bool,
    on_trained: OnTrained | None,
) -> None:
    progress = choose_progress(quiet=quiet)
    progress.log(f"{group.name}: {len(seeds)} of {len(group.seeds)} seeds to train in {group.path}")
    at_once = min(jobs, len(seeds))
    if at_once <= 1:
        failures = _train_in_turn(group, seeds, request, quiet=quiet, on_trained=on_trained)
    else:
        failures = _train_at_once(group, seeds, at_once, request, quiet=quiet)
    remedy = f"Continue with: unrolled repeat {group.path}"
    if request.signal_number is not None:
        finished = len(group.runs_by_seed()[0])
        message = f"repeat: {group.name}: interrupted; {finished} of {len(group.seeds)} seeds are finished. {remedy}"
        raise Interrupted(message, signal_number=request.signal_number, run=group.path)
    if failures:
        named = "; ".join(f"seed {seed}: {message}" for seed, message in sorted(failures.items()))
        raise TrainingStopped(
            f"repeat: {group.name}: {len(failures)} of {len(group.seeds)} seeds failed: {named.rstrip('.')}. {remedy}",
            run=group.path,
        )


def _train_in_turn(
    group: Group, seeds: Sequence[int], request: StopRequest, *, quiet: bool, on_trained: OnTrained | None
) -> dict[int, str]:
    """Train seeds one after another in this process; return the message of each that failed."""
    failures: dict[int, str] = {}
    begun = group.begun()
    for seed in seeds:
        progress = choose_progress(quiet=quiet)
        try:
            run = _resumed(begun[seed], progress, request) if seed in begun else None
            if run is None:
                experiment = group.of_seed(seed)
                progress.announce(experiment)
                run = train_experiment(experiment, group.path, progress, request)
            if on_trained:
                on_trained(run)
        except Interrupted:
            break
        except Exception as error:  # one seed's failure, of whatever kind, does not stop the others
            failures[seed] = _one_line(str(error) or type(error).__name__)
            progress.log(f"seed {seed} failed: {failures[seed]}")
    return failures


def _resumed(run: Run, progress: Progress, request: StopRequest) -> Run | None:
    """Resume a run; return None where that is impossible, so that its seed has to be trained from the beginning."""
    try:
        return resume_run(run, None, progress, request)
    except (RunError, InvalidSetting) as error:
        progress.log(f"seed {run.config.seed} is trained from the beginning: {error}")
        return None


def _train_at_once(
    group: Group, seeds: Sequence[int], jobs: int, request: StopRequest, *, quiet: bool, resumes: bool = True
) -> dict[int, str]:
    """Train several seeds at a time by ``unrolled train`` or ``resume``; return the message of each that failed."""
    progress = choose_progress(quiet=quiet)
    failures: dict[int, str] = {}
    begun = group.begun() if resumes else {}
    commands = {seed: _command(group, seed, begun.get(seed)) for seed in seeds}
    from_the_beginning: list[int] = []
    for command, finished in run_commands(commands.values(), jobs, request):
        seed = next(seed for seed, own in commands.items() if own is command)
        if seed in begun and finished.returncode == InvalidSetting.exit_code:
            progress.log(f"seed {seed} is trained from the beginning: {_one_line(finished.stderr)}")
            from_the_beginning.append(seed)
        elif finished.returncode == 0:
            path = Path(finished.stdout.splitlines()[-1])
            progress.log(f"seed {seed}: test {Run.open(path).evaluation.summary}  {path}")
        elif request.signal_number is None:
            ending = f"the process exited with code {finished.returncode} and without a message"
            failures[seed] = _one_line(next(reversed(finished.stderr.splitlines()), ending))
            progress.log(f"seed {seed} failed: {failures[seed]}")
    if from_the_beginning:
        failures |= _train_at_once(group, from_the_beginning, jobs, request, quiet=quiet, resumes=False)
    return failures


def _command(group: Group, seed: int, begun: Run | None) -> list[str]:
    if begun is not None:
        return unrolled_command("resume", str(begun.path), "--quiet")
    train = ("train", str(group.path / REPEATED_FILE), "--runs", str(group.path), "--quiet")
    return unrolled_command(*train, "--seed", str(seed), "--name", group.name_of_run(seed))


def _one_line(message: str) -> str:
    return " ".join(message.split())

"""The same experiment with several seeds: what of its result is the network's, and what is chance."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from unrolled.comparison.groups import REPEATED_FILE, Group, parse_seeds
from unrolled.config.experiment import ExperimentConfig
from unrolled.errors import Interrupted, InvalidSetting, RunError, TrainingStopped
from unrolled.model.build import build_network, check_components
from unrolled.runs.run import Run, is_group
from unrolled.storage import locked
from unrolled.training.processes import StopRequest, run_commands, stop_on_signals, unrolled_command
from unrolled.training.progress import Progress, choose_progress
from unrolled.training.trainer import resume_run, train_experiment

SEEDS = 5


def repeat(
    experiment: str | Path | Mapping[str, Any] | ExperimentConfig | Group = "mnist-rows",
    *,
    seeds: int | Sequence[int] | None = None,
    jobs: int = 1,
    overrides: Sequence[str] = (),
    runs: str | Path = "runs",
    name: str | None = None,
    quiet: bool = False,
) -> Group:
    """Train an experiment with several seeds, or what is missing in a group of such runs.

    Args:
        experiment: A recipe's name, an experiment file, the settings themselves, or an Experiment, for a new group; a
            Group or its folder, to continue it.
        seeds: Which ones; or how many, counted from the experiment's own. A new group has 5 unless told otherwise;
            a group that is continued gets those that it has not.
        jobs: How many are trained at once, each in a process and on cores of its own.
        overrides: Changes to single settings of a new group, as in ``["training.epochs=5"]``.
        runs: Where to make the group's folder.
        name: Names a new group and its runs.
        quiet: Whether to print nothing.

    Returns:
        The group, each of whose seeds has finished.

    Raises:
        InvalidSetting: The experiment or the seeds say something that cannot be; nothing was written.
        DataError: Its data cannot be loaded; nothing was written.
        TrainingStopped: Some seeds failed; the message names them, and the others went on.
        Interrupted: Ctrl-C or SIGTERM; the group keeps what was made, and can be continued.
        WriteError: The group's folder cannot be written.

    Example::

        group = unrolled.repeat("mnist-rows", seeds=5, jobs=2)
        print(unrolled.compare(group).arms[0].estimate("accuracy"))
    """
    with stop_on_signals() as request:
        return repeat_experiment(
            experiment, request, seeds=seeds, jobs=jobs, overrides=overrides, runs=Path(runs), name=name, quiet=quiet
        )


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
) -> Group:
    """Train under a request to stop that somebody else listens for; the rest is as in ``repeat``.

    Args:
        experiment: As in ``repeat``.
        request: Where a signal shows.
        seeds: As in ``repeat``; or as ``--seeds`` takes them.
        jobs: As in ``repeat``, and so are the others.
        overrides: Changes to single settings.
        runs: Where to make the group's folder.
        name: Names a new group.
        quiet: Whether to print nothing.
    """
    group = _open_or_create(experiment, seeds, overrides, name, runs)
    train_missing(group, jobs, request, quiet=quiet)
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
        found = ExperimentConfig.load(experiment, overrides=overrides, name=name)  # type: ignore[arg-type]
        asked = _format_group(SEEDS if seeds is None else seeds, found)
        _check(found, asked)
        return Group.create(found, asked, runs)
    if overrides or name is not None:
        raise InvalidSetting(
            f"{group.path}: expected no other settings for a group that is there, got "
            f"{'--name' if name is not None else '--set'}. Leave it out, or make a new group."
        )
    if seeds is not None:
        asked = _format_group(seeds, group.experiment)
        _check(group.experiment, asked)
        group.ask_for(asked)
    return group


def _group_at(experiment: Any, runs: Path) -> Group | None:
    """The group that is meant, where one is."""
    if isinstance(experiment, Group):
        return experiment
    if not isinstance(experiment, str | Path):
        return None
    folder = next((path for path in (Path(experiment), runs / experiment) if is_group(path)), None)
    return Group.open(folder) if folder else None


def _format_group(seeds: int | str | Sequence[int], experiment: ExperimentConfig) -> tuple[int, ...]:
    text = seeds if isinstance(seeds, int | str) else ",".join(f"{seed}-{seed}" for seed in seeds)
    return parse_seeds(str(text), experiment.seed)


def _check(experiment: ExperimentConfig, seeds: Sequence[int]) -> None:
    """Find what is wrong with an experiment before anything is written."""
    for seed in seeds:
        ExperimentConfig.load(experiment, seed=seed)
    check_components(experiment)
    build_network(experiment, experiment.load_data())


def train_missing(group: Group, jobs: int, request: StopRequest, *, quiet: bool) -> None:
    """Train the seeds of a group that no run has finished; those that were begun go on where they stopped.

    Args:
        group: Where the runs go.
        jobs: How many are trained at once.
        request: Where a signal shows.
        quiet: Whether to print nothing.

    Raises:
        RunError: Another process trains seeds of the group.
        TrainingStopped: Some seeds failed.
        Interrupted: A signal came; those under way kept what they had learned.
    """
    with locked(group.path):
        _train_seeds(group, group.missing(), jobs, request, quiet=quiet)


def _train_seeds(group: Group, seeds: Sequence[int], jobs: int, request: StopRequest, *, quiet: bool) -> None:
    say = choose_progress(quiet=quiet).log
    say(f"{group.name}: {len(seeds)} of {len(group.seeds)} seeds to train in {group.path}")
    at_once = min(jobs, len(seeds))
    train = _train_in_turn if at_once <= 1 else _train_at_once
    failures = train(group, seeds, at_once, request, quiet=quiet)
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
    group: Group, seeds: Sequence[int], jobs: int, request: StopRequest, *, quiet: bool
) -> dict[int, str]:
    """Train one after another in this process; the message of each seed that failed."""
    failures: dict[int, str] = {}
    begun = group.begun()
    for seed in seeds:
        progress = choose_progress(quiet=quiet)
        try:
            if seed in begun and _goes_on(begun[seed], progress, request):
                continue
            experiment = group.of_seed(seed)
            progress.announce(experiment)
            train_experiment(experiment, group.path, progress, request)
        except Interrupted:
            break
        except Exception as error:  # one seed's failure, of whatever kind, does not stop the others
            failures[seed] = _one_line(str(error) or type(error).__name__)
            progress.log(f"seed {seed} failed: {failures[seed]}")
    return failures


def _goes_on(run: Run, progress: Progress, request: StopRequest) -> bool:
    """Go on with a run; False where that cannot be, so that its seed has to be trained anew."""
    try:
        resume_run(run, None, progress, request)
    except (RunError, InvalidSetting) as error:
        progress.log(f"seed {run.config.seed} is trained anew: {error}")
        return False
    return True


def _train_at_once(
    group: Group, seeds: Sequence[int], jobs: int, request: StopRequest, *, quiet: bool, goes_on: bool = True
) -> dict[int, str]:
    """Train several at a time, each as ``unrolled train`` or ``resume`` does; the message of each seed that failed."""
    say = choose_progress(quiet=quiet).log
    failures: dict[int, str] = {}
    begun = group.begun() if goes_on else {}
    commands = {seed: _command(group, seed, begun.get(seed)) for seed in seeds}
    anew: list[int] = []
    for command, finished in run_commands(commands.values(), jobs, request):
        seed = next(seed for seed, own in commands.items() if own is command)
        if seed in begun and finished.returncode == InvalidSetting.exit_code:
            say(f"seed {seed} is trained anew: {_one_line(finished.stderr)}")
            anew.append(seed)
        elif finished.returncode == 0:
            path = Path(finished.stdout.splitlines()[-1])
            say(f"seed {seed}: test {Run.open(path).evaluation.headline}  {path}")
        elif request.signal_number is None:
            ending = f"the process ended with exit code {finished.returncode} and said nothing"
            failures[seed] = _one_line(next(reversed(finished.stderr.splitlines()), ending))
            say(f"seed {seed} failed: {failures[seed]}")
    return failures | (_train_at_once(group, anew, jobs, request, quiet=quiet, goes_on=False) if anew else {})


def _command(group: Group, seed: int, begun: Run | None) -> list[str]:
    if begun is not None:
        return unrolled_command("resume", str(begun.path), "--quiet")
    train = ("train", str(group.path / REPEATED_FILE), "--runs", str(group.path), "--quiet")
    return unrolled_command(*train, "--seed", str(seed), "--name", group.name_of_run(seed))


def _one_line(message: str) -> str:
    return " ".join(message.split())

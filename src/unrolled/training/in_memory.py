"""Training on data in memory, of which the network alone is kept."""

import tempfile
import threading
from pathlib import Path

from unrolled.backends import without_loading_tensorflow
from unrolled.config.experiment import ExperimentConfig
from unrolled.data.dataset import Dataset
from unrolled.errors import Diverged
from unrolled.model.build import prepare
from unrolled.runs.run import Run
from unrolled.tasks.base import Task
from unrolled.tasks.registry import load_task
from unrolled.training.checkpoints import random_state, restore_random_state
from unrolled.training.processes import StopRequest
from unrolled.training.progress import Progress
from unrolled.training.trainer import Trainer, build_seeded

import keras

# Layers draw their seeds from the generators of the process while they are built.
_BUILDING = threading.Lock()


@without_loading_tensorflow()
def train_in_memory(config: ExperimentConfig, data: Dataset) -> tuple[Task, keras.Model]:
    """Train an experiment on a data set that is in memory, without a run folder.

    The random generators of the process are left as they are.

    Args:
        config: The experiment; the name of its data is for messages alone.
        data: The data set; it may have no test examples.

    Returns:
        The task, which predicts and has no data; and the trained network.

    Raises:
        InvalidSetting: A setting is not possible, or the network does not fit in memory.
        Diverged: The loss became NaN or infinite.
    """
    config, task = prepare(config, data, is_trained=True)
    with _BUILDING:
        before = random_state()
        model = build_seeded(config, task)
        restore_random_state(before)
    with tempfile.TemporaryDirectory() as folder:
        try:
            _Trainer(model, task, Run.create(config, Path(folder)), Progress(), StopRequest()).fit()
        except Diverged:
            raise Diverged(
                f"{config.where()}: the loss became NaN or infinite. Lower the learning rate, or use activation tanh."
            ) from None
    return load_task(config, task.preprocessor, task.output_names, task.schema, task.facts), model


class _Trainer(Trainer):
    """A training that writes neither checkpoints nor its network: for small networks they take most of the time."""

    def _callbacks(self) -> list[keras.callbacks.Callback]:
        return [callback for callback in super()._callbacks() if callback is not self.checkpoints]

    def _save(self) -> None:
        pass

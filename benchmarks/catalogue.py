"""All cases, in the order in which they run."""

from dataclasses import replace

from benchmarks.cases import Arm, Case, Compiled
from benchmarks.tasks import CELLS, KERAS_NAMES, Cell, LayerTask, NetworkTask, Shape, StepTask, Values

SHAPES = tuple(
    Shape(*sizes)
    for sizes in (
        (32, 28, 28, 128),
        (32, 28, 128, 128),
        (128, 28, 128, 128),
        (64, 100, 64, 256),
        (32, 784, 1, 128),
        (1, 100, 64, 128),
    )
)
INFERENCE_SHAPES = tuple(Shape(batch, *rest) for rest in ((28, 28, 128), (100, 64, 256)) for batch in (1, 256))
MIDDLE = Shape(32, 28, 128, 128)
LONGEST_UNROLLED = 100
"""The longest T of ``unroll=True`` and of Keras on torch. Compiling an unrolled loop takes minutes at T = 100; on torch
Keras' loop is one in Python, and a run at T = 784 takes 20 s, two hundred times as long as with unrolled."""

VARIANTS = ("tanh", "relu", "padded", "recurrent-dropout", "bidirectional")
IN_SEQUENCE = "its two layers in sequence"
QUICK = (
    "article/*",
    "layer/lstm/32x28x28x128/tanh",
    "layer/lstm/32x28x28x128/relu",
    "layer/lstm/32x28x128x128/padded",
    "layer/gru/32x28x128x128/tanh",
    "layer/simple_rnn/32x28x128x128/relu",
    "layer/lstm/1x100x64x128/tanh",
    "inference/lstm/256x28x28x128",
    "stream/*",
)
"""The cases of ``--quick``, which leaves out TensorFlow and Keras on torch."""

OURS, KERAS = "unrolled on JAX", "Keras on JAX"


def all_cases(*, images: int, cores: int, shapes: tuple[Shape, ...] = SHAPES, unroll: bool = True) -> list[Case]:
    """Return the cases for a machine with this number of cores; ``unroll`` adds Keras' layers with ``unroll=True``."""
    layers = [
        Case(f"layer/{cell}/{shape}/{variant}", layer_arms(layer_task(cell, shape, variant), unroll=unroll))
        for cell in CELLS
        for shape in shapes
        for variant in VARIANTS
    ]
    inference = [
        Case(f"inference/{cell}/{shape}", layer_arms(LayerTask(cell, shape, training=False), unroll=False))
        for cell in CELLS
        for shape in INFERENCE_SHAPES
    ]
    denormals = [_denormal_case(cell, activation) for cell in CELLS for activation in ("tanh", "relu")]
    costs = [_cost_case(cell) for cell in CELLS]
    return [*_article_cases(images), *layers, *inference, _stream_case(), *denormals, *costs, *_scaling_cases(cores)]


def layer_task(cell: Cell, shape: Shape, variant: str) -> LayerTask:
    """Return one of the ``VARIANTS`` of a layer."""
    plain = LayerTask(cell, shape)
    return {
        "tanh": plain,
        "relu": replace(plain, activation="relu"),
        "padded": replace(plain, padded=True),
        "recurrent-dropout": replace(plain, recurrent_dropout=0.2),
        "bidirectional": replace(plain, bidirectional=True),
    }[variant]


def layer_arms(task: LayerTask, *, unroll: bool) -> tuple[Arm, ...]:
    """Return the layer of unrolled and every other program that computes the task."""
    # Each framework draws its own dropout, so those are compared within a framework only.
    equals = None if task.recurrent_dropout else OURS
    on_tensorflow, on_torch, kernels = "unrolled on TensorFlow", "unrolled on torch", "our kernels on torch"

    def keras(name: str, ours: Arm, compiled: Compiled = "", *, unroll: bool = False) -> Arm:
        # XLA draws other random numbers than TensorFlow does from the same seed.
        equal_to = None if task.recurrent_dropout and compiled == "xla" else ours.name
        return Arm(name, ours.worker, "keras", task, compiled, unroll, against=ours.name, equals=equal_to)

    jax = Arm(OURS, "jax", "unrolled", task)
    tensorflow = Arm(on_tensorflow, "tensorflow", "unrolled", task, compiled="graph", equals=equals)
    torch = Arm(on_torch, "torch", "unrolled", task, equals=equals)
    arms = [
        jax,
        keras(KERAS, jax),
        tensorflow,
        keras("Keras on TensorFlow, XLA", tensorflow, compiled="xla"),
        keras("Keras on TensorFlow, no XLA", tensorflow, compiled="graph"),
        torch,
    ]
    if task.shape.time <= LONGEST_UNROLLED:
        arms.append(keras("Keras on torch", torch))
    if has_torch_layer(task):
        arms += [
            Arm(kernels, "torch", "kernels", task, equals=equals),
            Arm(_torch_name(task.cell), "torch", "torch.nn", task, against=kernels, equals=kernels),
        ]
    if unroll and task == LayerTask(task.cell, task.shape) and task.shape.time <= LONGEST_UNROLLED:
        arms += [
            keras("Keras on JAX, unroll=True", jax, unroll=True),
            keras("Keras on TensorFlow, no XLA, unroll=True", tensorflow, compiled="graph", unroll=True),
        ]
    return tuple(arms)


def has_torch_layer(task: LayerTask) -> bool:
    """Return True if ``torch.nn`` can compute the task: relu only in an RNN, recurrent dropout never."""
    return not task.recurrent_dropout and (task.activation == "tanh" or task.cell == "simple_rnn")


def _torch_name(cell: Cell) -> str:
    return "torch.nn.RNN" if cell == "simple_rnn" else f"torch.nn.{KERAS_NAMES[cell]}"


def _article_cases(images: int) -> list[Case]:
    relu, tanh = NetworkTask("relu", images), NetworkTask("tanh", images)
    arms = list(layer_arms(LayerTask("lstm", MIDDLE, activation="relu"), unroll=False))
    xla = next(number for number, arm in enumerate(arms) if arm.compiled == "xla")
    arms.insert(xla, replace(arms[xla], name="Keras on TensorFlow, as it chooses", compiled="auto"))
    return [
        Case("article/relu", tuple(replace(arm, task=relu) for arm in arms)),
        Case(
            "article/tanh",
            (
                Arm(OURS, "jax", "unrolled", tanh),
                Arm("torch.nn.LSTM", "torch", "torch.nn", tanh, against=OURS, equals=OURS),
            ),
        ),
    ]


def _stream_case() -> Case:
    task = StepTask(Shape(1, 1, 64, 128))
    stream = Arm("unrolled stream", "processor", "stream", task)
    return Case(
        "stream/lstm/1x64x128",
        (
            stream,
            Arm("reading the weights once", "processor", "reading", task, against=stream.name),
            Arm("Keras' LSTMCell on JAX", "jax", "keras", task, against=stream.name, equals=stream.name),
            Arm("torch.nn.LSTMCell", "torch", "torch.nn", task, against=stream.name, equals=stream.name),
        ),
    )


def _denormal_case(cell: Cell, activation: str) -> Case:
    ordinary = LayerTask(cell, Shape(32, 100, 64, 128), activation=activation)  # type: ignore[arg-type]
    compared = (OURS, KERAS, "Keras on TensorFlow, no XLA", _torch_name(cell))
    programs = [arm for arm in layer_arms(ordinary, unroll=False) if arm.name in compared]
    arms: list[Arm] = []
    kinds: dict[str, Values] = {"": "ordinary", ", all -0.1": "negative", ", inputs of 1e-38": "tiny"}
    for program in programs:
        for suffix, values in kinds.items():
            against = program.name if suffix else None
            # Where unrolled and XLA flush a denormal number to zero, torch passes relu's gradient.
            differs = values == "tiny" and activation == "relu" and program.program == "torch.nn"
            equals = None if program.name == OURS or differs else OURS + suffix
            task = replace(ordinary, values=values)
            arms.append(replace(program, name=program.name + suffix, task=task, against=against, equals=equals))
    return Case(f"denormals/{cell}/{activation}", tuple(arms))


def _cost_case(cell: Cell) -> Case:
    arms: list[Arm] = []
    for variant in VARIANTS:
        task = layer_task(cell, MIDDLE, variant)
        ours = f"{OURS}, {variant}"
        arms += [
            Arm(ours, "jax", "unrolled", task, against=None if variant == "tanh" else arms[0].name),
            Arm(f"{KERAS}, {variant}", "jax", "keras", task, equals=ours, timed=False),
        ]
    both = f"{OURS}, bidirectional"
    task = replace(layer_task(cell, MIDDLE, "bidirectional"), in_sequence=True)
    arms.append(Arm(f"{OURS}, {IN_SEQUENCE}", "jax", "unrolled", task, against=both, equals=both))
    return Case(f"cost/{cell}", tuple(arms))


def _scaling_cases(cores: int) -> list[Case]:
    axes = {
        "time": [replace(MIDDLE, time=time) for time in (1, 7, 28, 112, 448)],
        "batch": [replace(MIDDLE, batch=batch) for batch in (1, 4, 16, 32, 64, 128, 256)],
        "units": [replace(MIDDLE, units=units) for units in (16, 32, 64, 100, 128, 192, 256, 512)],
    }
    cases = []
    for axis, shapes in axes.items():
        arms: list[Arm] = []
        for shape in shapes:
            task, ours = LayerTask("lstm", shape), f"{OURS}, {shape}"
            arms += [
                Arm(ours, "jax", "unrolled", task),
                Arm(f"{KERAS}, {shape}", "jax", "keras", task, against=ours, equals=ours),
            ]
        cases.append(Case(f"scaling/{axis}", tuple(arms)))
    return [*cases, _threads_case(cores)]


def _threads_case(cores: int) -> Case:
    plain = LayerTask("lstm", Shape(128, 28, 128, 128))
    counts = sorted({1, cores, *(count for count in (2, 4, 8, 16, 32, 64) if count <= cores)})
    names = {count: f"{OURS}, {count} thread{'s' if count > 1 else ''}" for count in counts}
    witness = Arm(KERAS, "jax", "keras", plain, timed=False)
    arms = [
        Arm(names[count], "jax", "unrolled", replace(plain, threads=count), against=names[1], equals=KERAS)
        for count in counts
    ]
    arms[0] = replace(arms[0], against=None)
    return Case("scaling/threads", (*arms, witness))

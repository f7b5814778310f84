"""The kinds of finding that lie in the data, each with its bound and the reason for it."""

from unrolled.insight.findings import Kind

NON_FINITE_INPUTS = Kind(
    "non-finite-inputs",
    "fatal",
    "Inputs are NaN or infinite, and so will be every weight that they reach.",
    "examples",
    0,
    "above",
    "One such example is enough.",
    "Remove those examples, or fill in what is missing.",
)
TARGETS_OUT_OF_RANGE = Kind(
    "targets-out-of-range",
    "fatal",
    "Targets name classes for which the network has no output; backends answer with NaN or with another class.",
    "examples",
    0,
    "above",
    "One such example is enough.",
    "Give the last layer an output for each class.",
)
LEAKAGE = Kind(
    "leakage",
    "fatal",
    "Held-out examples are training examples too, so that what is measured on them is partly memory.",
    "% of the held-out examples",
    0.5,
    "above",
    "Below it an accuracy moves by less than half a point; MNIST has none.",
    "Remove from the training examples those that are held out.",
)
CONTRADICTORY_LABELS = Kind(
    "contradictory-labels",
    "harmful",
    "Identical training examples have different labels, which no network can learn.",
    "% of the training examples",
    1,
    "above",
    "Up to half of these stay wrong for ever, whatever the network; a few slips of the hand do no harm.",
    "Relabel them, or leave them out.",
)
CLASS_IMBALANCE = Kind(
    "class-imbalance",
    "harmful",
    "One class has many times the training examples of another; a network may never say the rare one.",
    "times",
    10,
    "above",
    "With ten classes a batch of 32 then has a rare example in every third batch or less.",
    "Add examples of the rare class, or weigh it, and look at its F1: unrolled evaluate latest.",
)
MAJORITY = Kind(
    "majority-class",
    "harmful",
    "Always saying the same class is right this often, so that accuracy says little.",
    "% of the training examples",
    80,
    "above",
    "What is left for the network to be right about is then less than one example in five.",
    "Look at each class' F1 instead of accuracy: unrolled evaluate latest.",
)
ABSENT_CLASS = Kind(
    "absent-class",
    "harmful",
    "Classes have no training example, so that the network learns never to say them.",
    "classes",
    0,
    "above",
    "One such class is enough.",
    "Add examples of them, or number the classes from 0 without gaps.",
)
SORTED_ORDER = Kind(
    "sorted-order",
    "harmful",
    "Examples are given in an order in which neighbours have the same label; each batch undoes the last.",
    "% more equal neighbours than by chance",
    20,
    "above",
    "Counted between chance (0) and sorted (100), and only where it is four standard deviations from chance.",
    "Shuffle the examples before each epoch.",
)
SHIFTED_CLASSES = Kind(
    "shifted-classes",
    "harmful",
    "The held-out examples have other shares of the classes than the training examples.",
    "% of the examples",
    20,
    "above",
    "As many would have to change their class for both to be alike; what chance explains is taken off first.",
    "Mix all examples, then divide them, each class in the same proportion.",
)
SHIFTED_INPUTS = Kind(
    "shifted-inputs",
    "harmful",
    "The held-out inputs have another mean than the training inputs, as when only one of them was scaled.",
    "standard deviations",
    0.5,
    "above",
    "Random halves of one set differ by hundredths.",
    "Prepare both in the same way; best inside the network.",
)
FEW_TEST_EXAMPLES = Kind(
    "few-test-examples",
    "doubtful",
    "The test set is too small to tell a good network from a lucky one.",
    "examples",
    50,
    "below",
    "With fewer, the 95 % interval of an accuracy of 0.8 is more than 22 points wide.",
    "Hold out more examples: in another file, or with forecast.held_out.",
)
CONSTANT_FEATURES = Kind(
    "constant-features",
    "doubtful",
    "Features never change, so that nothing can be learned from them.",
    "% of the features",
    50,
    "above",
    "Pictures have blank borders, though MNIST has no column that is always blank; half of all is no border.",
    "Leave those features out, or see whether they were read as they should.",
)

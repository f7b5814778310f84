"""The kinds of finding that lie in the network or its training, each with its bound and the reason for it."""

from unrolled.insight.findings import Kind

# What the first weights see.
UNSCALED_INPUTS = Kind(
    "unscaled-inputs",
    "harmful",
    "The first weights see values far larger than they are made for: gates saturate, and steps are too long.",
    "in root mean square of the largest feature",
    10,
    "above",
    "Keras' initial weights keep values of the size of 1; ten times that closes or opens every gate.",
    "Scale the inputs to about -1 to 1, first in the network.",
)
TINY_INPUTS = Kind(
    "tiny-inputs",
    "harmful",
    "The first weights see values so small that the network hardly hears them.",
    "as the largest value",
    0.05,
    "below",
    "A twentieth of what the initial weights are made for takes twenty times the learning to make up.",
    "Scale the inputs to about -1 to 1, first in the network.",
)

# Masks.
LOST_MASK = Kind(
    "lost-mask",
    "harmful",
    "A mask ends here, and padding is read further on as if it were data.",
    "layers that read without the mask",
    0,
    "above",
    "One is enough. A mask that a recurrent layer or a pooling has used up is not lost.",
    "Put the layer before the mask is made, or behind the layer that reads the steps.",
)
PADDING_READ_LAST = Kind(
    "padding-read-last",
    "harmful",
    "Sequences end in padding that is not masked: the last thing that the layer reads is nothing.",
    "% of the steps",
    25,
    "above",
    "MNIST's blank last rows are an eighth; a state that reads more of them than that forgets.",
    "Mask the padding, with Masking or mask_zero, or pad at the front.",
)
PADDING_READ_FIRST = Kind(
    "padding-read-first",
    "doubtful",
    "Sequences begin with padding that is not masked: the state drifts before the first step that counts.",
    "% of the steps",
    25,
    "above",
    "The same as at the end, where it does more harm.",
    "Mask the padding, with Masking or mask_zero.",
)

# Outputs and loss.
PROBABILITIES_AS_LOGITS = Kind(
    "probabilities-as-logits",
    "fatal",
    "The last layer gives probabilities and the loss takes them for logits, so that it can never come near 0.",
    "% of the outputs are probabilities",
    99,
    "above",
    "Logits that happen to add up to one do so in hardly any example.",
    "Leave the softmax out, or set from_logits=False in the loss.",
)
LOGITS_AS_PROBABILITIES = Kind(
    "logits-as-probabilities",
    "fatal",
    "The last layer gives any number and the loss takes it for a probability: the gradient is wrong or none.",
    "% of the outputs are no probabilities",
    1,
    "above",
    "Rounding moves a sum of probabilities by a millionth; this is measured at a thousandth.",
    "End in a softmax, or set from_logits=True in the loss.",
)

UNUSED_OUTPUTS = Kind(
    "unused-outputs",
    "doubtful",
    "The last layer has more outputs than there are classes.",
    "outputs",
    0,
    "above",
    "Each output more is a class that does not exist.",
    "Give the last layer one unit for each class.",
)

# How it learns.
LEARNING_RATE_TOO_HIGH = Kind(
    "learning-rate-too-high",
    "fatal",
    "After a few steps the loss is above its start, or above what a tenth of the learning rate leads to.",
    "% of the loss at the start",
    10,
    "above",
    "Batches differ by a few per cent. Measured from the same weights, on the same batches.",
    "Lower the learning rate.",
)
LEARNING_RATE_TOO_LOW = Kind(
    "learning-rate-too-low",
    "harmful",
    "After a few steps the loss has hardly fallen, and with a higher learning rate it does.",
    "% of the loss at the start",
    2,
    "below",
    "Found only where a higher rate gains five times as much, from the same weights, on the same batches.",
    "Raise the learning rate.",
)

# States and gradients.
EXPLODING_STATES = Kind(
    "exploding-states",
    "fatal",
    "The state multiplies itself from step to step: a longer sequence ends in infinity.",
    "times from the middle of the sequence to its end",
    8,
    "above",
    "A state that adds up evenly doubles. Counted where its root mean square ends above 100.",
    "Use activation tanh, or clip the gradients and lower the learning rate.",
)
EXPLODING_GRADIENT = Kind(
    "exploding-gradient",
    "fatal",
    "The gradient grows on its way back through time: early steps outweigh all others, and training leaps.",
    "times the gradient of the steps nearest to the loss",
    1000,
    "above",
    "Healthy layers stay below 50; a factor of 1.3 a step gives a thousand in 28 steps.",
    "Clip the gradients (clipnorm: 1), and use an LSTM or GRU with activation tanh.",
)
VANISHING_GRADIENT = Kind(
    "vanishing-gradient",
    "harmful",
    "The gradient fades on its way back through time: what is read at some steps is never learned from.",
    "times the gradient of the steps nearest to the loss",
    1e-5,
    "below",
    "float32 keeps seven digits: what is added at a hundred-thousandth has two of them left.",
    "Use an LSTM or GRU, shorten the sequences, or read all steps: return_sequences and a pooling.",
)
SATURATED_GATES = Kind(
    "saturated-gates",
    "harmful",
    "A gate stands open or shut (above 0.98 or below 0.02) whatever is read, and passes no gradient on.",
    "% of its values",
    90,
    "above",
    "Trained gates may well be shut half of the time; at nine tenths the layer is one without gates.",
    "Scale the inputs, lower the learning rate, or regularize the kernel.",
)
DEAD_UNITS = Kind(
    "dead-units",
    "harmful",
    "Units with activation relu are zero for every example: no gradient reaches them, and they stay so.",
    "% of the layer's units",
    50,
    "above",
    "A few die in every trained network; when half do, the layer has half its width.",
    "Lower the learning rate, or use another activation, such as elu.",
)
STUCK_UNITS = Kind(
    "stuck-units",
    "harmful",
    "Units give the same value whatever is read, as those at the ends of tanh and sigmoid do.",
    "% of the layer's units",
    50,
    "above",
    "Counted where all values lie within a thousandth; when half do, the layer has half its width.",
    "Scale the inputs, or lower the learning rate.",
)

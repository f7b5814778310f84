"""A list of cells, as RNN and StackedRNNCells take it, is refused in an experiment.

Right: a layer inside a layer is written in the same way (README), so a list of cells is too: Keras' RNN takes one, and
StackedRNNCells needs one.

Reference:
    keras-team/keras#19482, #14905, tensorflow/tfjs-layers#547.
"""

import sys

from unrolled import ExperimentConfig
from unrolled.errors import UnrolledError
from unrolled.model.build import check_config

cells = [{"LSTMCell": {"units": 8}}, {"LSTMCell": {"units": 8}}]
refusals = []
for cell in (cells[0], cells, {"StackedRNNCells": {"cells": cells}}):
    network = [{"RNN": {"cell": cell}}, {"Dense": {"units": 10}}]
    try:
        check_config(ExperimentConfig.load({"data": "mnist", "network": network}))
    except UnrolledError as error:
        refusals.append(str(error))
if refusals:
    sys.exit("; ".join(refusals))

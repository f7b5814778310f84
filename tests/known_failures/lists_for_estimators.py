"""SequenceClassifier answers lists of unequal length with NumPy's sentence about inhomogeneous shapes.

Right: lists of numbers of unequal length, or of steps, are sequences: they are trained on, or refused by a message that
names what to pass.

Reference:
    skorch-dev/skorch#605, tslearn-team/tslearn#94, sktime/sktime#1756.
"""

import sys

from unrolled import SequenceClassifier

rising, falling = [[0.0, 1.0, 2.0], [1.0, 2.0, 3.0, 4.0]] * 4, [[3.0, 1.0], [5.0, 4.0, 2.0, 1.0, 0.0]] * 4
try:
    fitted = SequenceClassifier(units=4, epochs=1, random_state=0).fit(rising + falling, ["up"] * 8 + ["down"] * 8)
    fitted.predict([[0.0, 5.0, 9.0], [4.0, 1.0]])
except ValueError as error:
    if "array" not in str(error) or "inhomogeneous" in str(error):
        sys.exit(f"refused: {error}")

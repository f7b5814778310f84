"""International airline passengers, month by month: the classic series with a trend and a season."""

from unrolled.data.dataset import Dataset
from unrolled.data.own import series

import numpy as np

SOURCE = 'G. E. P. Box, G. M. Jenkins, "Time Series Analysis: Forecasting and Control", 1970 (facts)'
# Thousands, January to December, a year a line.
# fmt: off
THOUSANDS = (
    112, 118, 132, 129, 121, 135, 148, 148, 136, 119, 104, 118,
    115, 126, 141, 135, 125, 149, 170, 170, 158, 133, 114, 140,
    145, 150, 178, 163, 172, 178, 199, 199, 184, 162, 146, 166,
    171, 180, 193, 181, 183, 218, 230, 242, 209, 191, 172, 194,
    196, 196, 236, 235, 229, 243, 264, 272, 237, 211, 180, 201,
    204, 188, 235, 227, 234, 264, 302, 293, 259, 229, 203, 229,
    242, 233, 267, 269, 270, 315, 364, 347, 312, 274, 237, 278,
    284, 277, 317, 313, 318, 374, 413, 405, 355, 306, 271, 306,
    315, 301, 356, 348, 355, 422, 465, 467, 404, 347, 305, 336,
    340, 318, 362, 348, 363, 435, 491, 505, 404, 359, 310, 337,
    360, 342, 406, 396, 420, 472, 548, 559, 463, 407, 362, 405,
    417, 391, 419, 461, 472, 535, 622, 606, 508, 461, 390, 432,
)
# fmt: on


def load(held_out: int = 24) -> Dataset:
    """144 months from 1949 to 1960.

    Args:
        held_out: How many months at the end are for the test.

    Example:
        >>> load().test.inputs[0][:3, 0].tolist()
        [360.0, 342.0, 406.0]
    """
    return series("air-passengers", np.array(THOUSANDS, np.float32)[:, None], ("passengers",), held_out, SOURCE)

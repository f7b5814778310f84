"""Learning rates that change as the training goes on, as long as the training is.

Any class of ``keras.optimizers.schedules`` can be named in an experiment as well; its ``decay_steps``, where left out,
are the steps of the whole training.
"""

from keras.optimizers.schedules import CosineDecay


def one_cycle(peak: float, *, steps: int, warmup: float = 0.3, start: float = 0.04, end: float = 0.0001) -> CosineDecay:
    """Up in a line, down in half a wave of a cosine: high rates in the middle, where they do no harm.

    ::

        rate(t) = peak (start + (1 - start) t / w)                                    t < w = warmup steps
        rate(t) = peak (end + (1 - end) (1 + cos(pi (t - w) / (steps - w))) / 2)      otherwise

    Args:
        peak: The highest rate.
        steps: How long the training is.
        warmup: The share of the steps on the way up.
        start: The first rate, as a share of the peak.
        end: The last rate, as a share of the peak.

    Raises:
        ValueError: A share is not between 0 and 1, or the peak is not above 0.

    Reference:
        Smith and Topin, "Super-Convergence", 2018.
    """
    return _cosine(peak, steps, warmup=warmup, start=start, end=end)


def cosine(peak: float, *, steps: int, warmup: float = 0.0, end: float = 0.0) -> CosineDecay:
    """From the peak down in half a wave of a cosine, after a warm-up in a line from 0 if there is one.

    Args:
        peak: The highest rate.
        steps: How long the training is.
        warmup: The share of the steps on the way up.
        end: The last rate, as a share of the peak.

    Raises:
        ValueError: A share is not between 0 and 1, or the peak is not above 0.

    Reference:
        Loshchilov and Hutter, "SGDR", 2017.
    """
    return _cosine(peak, steps, warmup=warmup, start=0.0, end=end)


def _cosine(peak: float, steps: int, *, warmup: float, start: float, end: float) -> CosineDecay:
    for name, share in {"warmup": warmup, "start": start, "end": end}.items():
        if not 0 <= share <= 1:
            raise ValueError(f"{name} must be a share between 0 and 1, got {share}")
    if not peak > 0:
        raise ValueError(f"peak must be above 0, got {peak}")
    rising = min(round(warmup * steps), steps - 1)
    if rising <= 0:
        return CosineDecay(float(peak), max(1, steps), alpha=end)
    return CosineDecay(float(start * peak), steps - rising, alpha=end, warmup_target=float(peak), warmup_steps=rising)


# By the names that experiments call them.
SCHEDULES = {"OneCycle": one_cycle, "Cosine": cosine}

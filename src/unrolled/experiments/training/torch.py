"""The state of torch's own generator, from which Keras draws dropout without a seed there."""

import torch


def seed(number: int) -> None:
    """Seed the generator."""
    torch.manual_seed(number)


def random_state() -> list[int]:
    """Its state, as JSON."""
    state: list[int] = torch.get_rng_state().tolist()
    return state


def restore_random_state(state: list[int]) -> None:
    """Give it the state that ``random_state`` gave."""
    torch.set_rng_state(torch.tensor(state, dtype=torch.uint8))

"""Every kind of finding.

A bound says where a network stops being healthy, not where it stops being good. The healthy networks of the tests lie
on the right side of each, over three seeds; MNIST's blank rows come nearest to theirs, at two thirds of it.
"""

from unrolled.insight import data_kinds, network_kinds
from unrolled.insight.findings import Kind

KINDS: tuple[Kind, ...] = tuple(
    kind for module in (data_kinds, network_kinds) for kind in vars(module).values() if isinstance(kind, Kind)
)
"""All of them, in the order of their causes: what stands above may bring about what stands below."""

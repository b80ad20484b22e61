"""Where tensors lie: nowhere on one that lives with it, and as low as can be."""

import random

import pytest

from nhot.compiler.first_fit import Lifetime, place


def lowest(tensor, placed):
    """The first address at which a tensor overlaps none of those that live with it, by trying."""
    def free(address):
        return all(
            address + tensor.words <= other or other + beside.words <= address
            for beside, other in placed
            if beside.first <= tensor.last and tensor.first <= beside.last
        )

    return next(address for address in range(10_000) if free(address))


@pytest.mark.parametrize("seed", range(30))
def test_the_largest_first_each_as_low_as_can_be(seed):
    source = random.Random(seed)
    tensors = []
    for index in range(12):
        first = source.randrange(8)
        tensors.append(Lifetime(
            name=f"tensor{index}", words=source.choice([1, 2, 3, 5, 8]), first=first,
            last=first + source.randrange(4),
        ))
    addresses, placed = place(tensors), []
    for tensor in sorted(tensors, key=lambda t: (-t.words, t.first, t.name)):
        assert addresses[tensor.name] == lowest(tensor, placed), tensor
        placed.append((tensor, addresses[tensor.name]))
    assert addresses == place(source.sample(tensors, len(tensors)))


def test_a_gap_is_filled_to_the_word():
    def tensor(name, words, first, last):
        return Lifetime(name=name, words=words, first=first, last=last)

    wide = [tensor("a", 9, 0, 1), tensor("b", 8, 1, 3), tensor("c", 7, 2, 3)]
    assert place([*wide, tensor("d", 6, 3, 3)]) == {"a": 0, "b": 9, "c": 0, "d": 17}
    assert place([*wide, tensor("d", 2, 3, 3)]) == {"a": 0, "b": 9, "c": 0, "d": 7}

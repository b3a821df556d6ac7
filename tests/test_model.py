"""The nouns keep their identity: layouts by content, ids by time."""

from __future__ import annotations

from watchkeeper.model import Series, dictionary, new_id


def test_a_dictionary_is_known_by_its_content() -> None:
    """Equal layouts have equal ids that fit SQLite; another order is another layout."""
    one = (Series("a", (("x", "1"),)), Series("b"))
    assert dictionary(one).id == dictionary(tuple(one)).id
    assert dictionary(one).id != dictionary(one[::-1]).id
    assert 0 <= dictionary(one).id < 2**63


def test_labels_are_added_but_never_overwritten() -> None:
    """A server's own label wins over what the hub would add, and the order stays by name."""
    series = Series("up", (("machine", "mine"), ("z", "1")))
    assert series.labelled({"machine": "hub's", "job": "node"}).labels == (("job", "node"), ("machine", "mine"), ("z", "1"))
    assert series.text() == 'up{machine="mine",z="1"}'
    assert series.label("nothing") == ""


def test_ids_sort_by_time_and_differ() -> None:
    """Two ids of one instant differ; a later instant sorts later."""
    assert new_id(5) != new_id(5)
    many = [new_id(5) for _ in range(300)]
    assert many == sorted(many), "what happened in one millisecond keeps its order"
    assert new_id(1_760_000_000_000) < new_id(1_760_000_000_001)

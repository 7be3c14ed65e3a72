"""Which images have a label, and which of them are for the test alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from cnnlib.datasets.label_studio.export import image_key
from cnnlib.datasets.label_studio.left_out import LeftOut
from cnnlib.datasets.label_studio.votes import Votes


class Labelled(NamedTuple):
    """The classes of images, by name."""

    free: Mapping[str, str]
    """Of images that may be in any split."""
    tested: Mapping[str, str]
    """Of the consensus images, which are the test set."""
    consensus: int
    """How many consensus images there were, those included that cannot be used."""


def labelled(own: Votes, shared: Votes, pictures: Collection[str], left_out: LeftOut) -> Labelled:
    """The classes that most chose: ``shared``, votes for consensus images, say what is tested, ``own`` the rest.

    No image that is called like a tested one is free, and none that ``shared`` has a vote for.
    """
    tested, free = shared.labels(), own.labels()
    keys = {image_key(name) for name in tested}
    alike = [name for name in free if name not in shared.of and image_key(name) in keys]
    conflicts, unknown = ({image_key(name) for name in names} for names in (shared.conflicts, shared.unknown))
    left_out.add("annotations without an image", own.unknown)
    left_out.add("annotations whose image may be any of several of that name", own.conflicts)
    left_out.add("images without a majority", own.ties())
    left_out.add("consensus images without a file", sorted(unknown))
    left_out.add("consensus images with a conflict: several images have the name", sorted(conflicts))
    left_out.add("consensus images without a majority", shared.ties())
    left_out.add("images that are called like one of the test set", alike)
    left_out.add("images without a label", sorted(set(pictures) - own.of.keys() - shared.of.keys()))
    free = {name: free[name] for name in free.keys() - shared.of.keys() - set(alike)}
    return Labelled(free, tested, len(shared.of) + len(conflicts) + len(unknown))

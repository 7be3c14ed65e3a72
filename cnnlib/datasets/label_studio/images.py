"""Which image file an annotation means: files may be called as they were, or as Label Studio stores them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress

from cnnlib.datasets.label_studio.export import image_key
from cnnlib.datasets.listing import ImageFolder
from cnnlib.files import file_hash
from cnnlib.types import CnnlibError


class ImageFinder:
    """Finds images by what annotations call them.

    Args:
        pictures: all there are; their names start with their folder.
        copies: from names of images to that of another with the same content, which stands for all of them.
    """

    def __init__(self, pictures: ImageFolder, copies: dict[str, str]) -> None:
        self._copies = copies
        self._by_key: dict[str, list[str]] = defaultdict(list)
        for name in sorted(pictures):
            self._by_key[image_key(name)].append(name)

    def find(self, called: Iterable[str], folder: str) -> list[str]:
        """The images that may be meant, each once: none, the one, or several.

        Args:
            called: what the annotation calls the image; the first that finds something counts.
            folder: images whose names start so.
        """
        for each in called:
            found = [name for name in self._by_key.get(image_key(each), ()) if name.startswith(folder)]
            if found:
                return sorted({self._copies.get(name, name) for name in _likeliest(found, each)})
        return []


def _likeliest(names: Sequence[str], called: str) -> list[str]:
    """Those that end in as many equal folders, and then in the very name, as any."""

    def equal_parts(name: str) -> tuple[int, bool]:
        own, given = name.split("/"), called.split("/")
        folders = 0
        for mine, theirs in zip(own[-2::-1], given[-2::-1], strict=False):
            if mine != theirs:
                break
            folders += 1
        return folders, own[-1] == given[-1]

    best = max(map(equal_parts, names))
    return [name for name in names if equal_parts(name) == best]


def copies_of(pictures: ImageFolder) -> dict[str, str]:
    """From images to the first one, by name, of the same content, byte for byte; only those that have such."""
    sizes: dict[int, list[str]] = defaultdict(list)
    for name in sorted(pictures):
        with suppress(OSError):  # what cannot be read, ``check`` reports
            sizes[pictures.path(name).stat().st_size].append(name)
    copies, first = {}, {}
    for name in (name for names in sizes.values() if len(names) > 1 for name in names):
        # What cannot be read is found when all files are checked.
        with suppress(CnnlibError):
            known = first.setdefault(file_hash(pictures.path(name)), name)
            if known != name:
                copies[name] = known
    return copies

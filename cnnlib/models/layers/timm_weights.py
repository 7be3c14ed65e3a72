"""Published weights of timm's nets: from the network or from a file."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from cnnlib.models.layers.adapters import published
from cnnlib.models.layers.foreign_error import one_line
from cnnlib.models.layers.timm_layout import create_net
from cnnlib.models.layers.weights_file import read_state
from cnnlib.types import CnnlibError

IMAGENET = "imagenet"


def check_weights(name: str, weights: str | None) -> None:
    """Raises ``CnnlibError`` where ``weights`` is a file that is not there."""
    if weights not in (None, IMAGENET) and not Path(weights).is_file():
        raise CnnlibError(
            f"{weights}: no such file; weights must be {IMAGENET!r}, or a file with the state of timm's {name!r}"
        )


def load_weights(net: nn.Module, name: str, in_channels: int, weights: str) -> None:
    """Gives ``net`` the ``weights``, through timm, which fits the first convolution to other than three channels.

    Args:
        net: timm's ``name``, made for images of ``in_channels``; adapters may stand on it.

    Raises:
        CnnlibError: they cannot be fetched or read, or are not those of this net.
    """
    source = {} if weights == IMAGENET else {"state_dict": _read(net, name, weights)}
    try:
        with torch.random.fork_rng(devices=[]):  # what is drawn after it does not depend on whether it was
            loaded = create_net(name, in_channels, pretrained=True, pretrained_cfg_overlay=source)
    except Exception as error:  # whatever network, disk and file formats have to say
        problem = one_line(error)
        if weights == IMAGENET:
            raise CnnlibError(_not_fetched(net, name, problem)) from None
        raise CnnlibError(f"{weights}: not the weights of timm's {name!r}: {problem}") from None
    state = loaded.state_dict()
    for key, own in published(net).items():
        own.copy_(state[key])


def _read(net: nn.Module, name: str, path: str) -> dict[str, Tensor]:
    check_weights(name, path)
    state = read_state(path)
    counters = "num_batches_tracked"  # old files lack them, and PyTorch does without
    missing = [key for key in published(net) if key not in state and not key.endswith(counters)]
    if missing:
        raise CnnlibError(
            f"{path}: not the weights of timm's {name!r}: it lacks {len(missing)} of its tensors, such as "
            f"{missing[0]!r}; save the state of the whole net there, as in "
            f"torch.save(timm.create_model({name!r}, pretrained=True).state_dict(), 'weights.pth')"
        )
    return state


def _not_fetched(net: nn.Module, name: str, problem: str) -> str:
    cfg = net.pretrained_cfg
    places = [cfg["url"]] if cfg.get("url") else []
    if cfg.get("hf_hub_id"):
        places.append(f"model.safetensors of {cfg['hf_hub_id']} on the Hugging Face hub")
    if not places:
        return (
            f"timm has no published weights for {name!r}; set weights to null or to a file, or take one of "
            "the names that timm.list_models(pretrained=True) lists"
        )
    return (
        f"the published weights of timm's {name!r} could not be fetched ({problem}); download them on a "
        f"machine that can ({' or '.join(places)}) and set weights to the path of the file"
    )

"""Exchanges: how the tasks of ``multi_task`` learn from each other beyond one encoder for all."""

from cnnlib.models.exchange.base import Exchange
from cnnlib.models.exchange.cross_stitch import CrossStitch
from cnnlib.models.exchange.mtan import MTAN
from cnnlib.models.exchange.padnet import PADNet

EXCHANGES: dict[str, type[Exchange]] = {
    "cross_stitch": CrossStitch,
    "mtan": MTAN,
    "padnet": PADNet,
}

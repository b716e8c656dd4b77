"""Whole networks: they map x to the parameters of every conditional, all at once or step by step."""

from chainrule.networks.gated_pixelcnn import Gate, GatedStack
from chainrule.networks.multi_scale import MultiScale
from chainrule.networks.nade import RunningHidden
from chainrule.networks.network import Network
from chainrule.networks.pixelcnn import RasterStack
from chainrule.networks.pixelcnn_plus_plus.level import PlusLevel
from chainrule.networks.pixelcnn_plus_plus.network import PlusStack
from chainrule.networks.predictive import PredictiveStack
from chainrule.networks.raster import Raster, RasterPhase
from chainrule.networks.reordered import Reordered
from chainrule.networks.replay import Replay
from chainrule.networks.stack import Stack
from chainrule.networks.wavenet import SkipStack

__all__ = [
    "Gate",
    "GatedStack",
    "MultiScale",
    "Network",
    "PlusLevel",
    "PlusStack",
    "PredictiveStack",
    "Raster",
    "RasterPhase",
    "RasterStack",
    "Reordered",
    "Replay",
    "RunningHidden",
    "SkipStack",
    "Stack",
]

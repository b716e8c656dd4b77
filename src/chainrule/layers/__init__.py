"""Causal layers: each has a parallel `forward`, an incremental `step`, and the state between steps."""

from chainrule.layers.amplitude import Amplitudes
from chainrule.layers.attention import CausalAttention, Residual
from chainrule.layers.condition import Condition
from chainrule.layers.conv1d import CausalConv1d
from chainrule.layers.encoding import Cells, Centred, Encoding, OneHot, Real, Scalar
from chainrule.layers.frame_features import FrameFeatures
from chainrule.layers.gated_residual import GatedResidual
from chainrule.layers.grid.diagonal_lstm import DiagonalBiLSTM, DiagonalLSTM, SpatialLSTM
from chainrule.layers.grid.grid import Everywhere, GridLayer, GridResidual, GridSerial
from chainrule.layers.grid.masked_conv2d import MaskedConv2d, StrictConv2d
from chainrule.layers.grid.pixel_conv import PixelConv
from chainrule.layers.grid.row_conv import RowConv, shift_down
from chainrule.layers.grid.row_lstm import RowLSTM
from chainrule.layers.layer import CausalLayer, Pointwise, Serial
from chainrule.layers.least_squares import LeastSquares
from chainrule.layers.linear import MaskedLinear, strictly_lower
from chainrule.layers.low_bits import LowBits
from chainrule.layers.per_site import PerSite
from chainrule.layers.position import Position
from chainrule.layers.recurrent import Recurrent
from chainrule.layers.reversible import Reversible
from chainrule.layers.root_mean_square_norm import RootMeanSquareNorm
from chainrule.layers.state import State, map_state, put_at, repeat_rows, select_rows, write_at
from chainrule.layers.strict_input import StrictInput
from chainrule.layers.symbols import Scores, Symbols
from chainrule.layers.temporal_block import TemporalBlock
from chainrule.layers.weight_norm_conv1d import WeightNormConv1d
from chainrule.renamed import renamed

__all__ = [
    "Amplitudes",
    "CausalAttention",
    "CausalConv1d",
    "CausalLayer",
    "Cells",
    "Centred",
    "Condition",
    "DiagonalBiLSTM",
    "DiagonalLSTM",
    "Encoding",
    "Everywhere",
    "FrameFeatures",
    "GatedResidual",
    "GridLayer",
    "GridResidual",
    "GridSerial",
    "LeastSquares",
    "LowBits",
    "MaskedConv2d",
    "MaskedLinear",
    "OneHot",
    "PerSite",
    "PixelConv",
    "Pointwise",
    "Position",
    "Real",
    "Recurrent",
    "Residual",
    "Reversible",
    "RootMeanSquareNorm",
    "RowConv",
    "RowLSTM",
    "Scalar",
    "Scores",
    "Serial",
    "SpatialLSTM",
    "State",
    "StrictConv2d",
    "StrictInput",
    "Symbols",
    "TemporalBlock",
    "WeightNormConv1d",
    "map_state",
    "put_at",
    "repeat_rows",
    "select_rows",
    "shift_down",
    "strictly_lower",
    "write_at",
]

__getattr__ = renamed(__name__)

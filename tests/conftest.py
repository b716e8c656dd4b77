"""Shared by all tests: one thread a worker, so that two workers fill two cores."""

import torch

torch.set_num_threads(1)

#!/usr/bin/env python3
"""The versions of Python and PyTorch, and the BLAS library that PyTorch has come to use: with the
plain reference BLAS a comparison of speeds says nothing."""
import platform

import torch

torch.rand(64, 64) @ torch.rand(64, 64)
with open("/proc/self/maps") as maps:
    blas = sorted({line.split()[-1] for line in maps if "blas" in line})
print(f"Python {platform.python_version()}, PyTorch {torch.__version__}, {', '.join(blas)}")

#!/usr/bin/env python3
"""The products of `dotnet run -c Release --project benchmarks/Backprop.Benchmarks -- products`, by
PyTorch: same shapes, same operands, same samples. Prints GF/s, median and best.

usage: products.py [THREADS]

Debian's OpenBLAS picks a slow kernel on some AVX-512 machines: set OPENBLAS_CORETYPE=SkylakeX there.
"""
import sys
import time

import torch

ROUNDS = 51
SAMPLE_SECONDS = 0.0005
SHAPES = """
Forward 64 512 784;Forward 64 512 512;Forward 64 10 512
WeightGradient 784 512 64;WeightGradient 512 512 64;WeightGradient 512 10 64
WeightGradient 784 512 256
InputGradient 64 512 512;InputGradient 64 784 512;InputGradient 64 512 10
Forward 128 1024 1024;InputGradient 128 1024 1024;WeightGradient 1024 1024 128
Forward 256 256 256;InputGradient 256 256 256;WeightGradient 256 256 256
Forward 32 128 128;InputGradient 32 128 128;WeightGradient 128 128 32
Forward 512 2048 512;InputGradient 512 512 2048;WeightGradient 512 2048 512
Forward 1024 1024 1024;Forward 2048 2048 2048
Forward 16 64 64;InputGradient 16 64 64;WeightGradient 64 64 16
Forward 1 512 512;Forward 37 100 75
"""


def clock():
    """As the table's: the processor's time for one thread, the clock for several."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def operand(rows, columns):
    values = (torch.arange(rows * columns, dtype=torch.int64) * 2654435761) % 2001
    return (values.to(torch.float32) / 1000 - 1).reshape(rows, columns)


def product(kind, m, n, k):
    """The product, writing to memory of its own that is there beforehand."""
    c = torch.empty(m, n)
    if kind == "Forward":
        a, b = operand(m, k), operand(k, n)
    elif kind == "InputGradient":
        a, b = operand(m, k), operand(n, k).t()
    else:
        a, b = operand(k, m).t(), operand(k, n)
    return lambda: torch.mm(a, b, out=c)


def seconds(run, repeats):
    start = clock()
    for _ in range(repeats):
        run()
    return clock() - start


def main():
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} thread(s)")
    print("product              M     N     K   median  (best)")
    for line in SHAPES.replace("\n", ";").split(";"):
        if not line:
            continue
        kind, *sizes = line.split()
        m, n, k = map(int, sizes)
        run = product(kind, m, n, k)
        run()
        repeats = max(1, min(10_000, int(SAMPLE_SECONDS / seconds(run, 1))))
        speeds = sorted(
            2e-9 * m * n * k * repeats / seconds(run, repeats) for _ in range(ROUNDS))
        print(f"{kind:15} {m:6}{n:6}{k:6}{speeds[ROUNDS // 2]:9.1f} ({speeds[-1]:5.1f})")


if __name__ == "__main__":
    main()

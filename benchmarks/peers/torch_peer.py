#!/usr/bin/env python3
"""PyTorch beside the benchmarks: prepares a piece of work and times it whenever it is told to.

usage: torch_peer.py THREADS

Reads lines, and answers each with one:

    about                                   version, threads, BLAS
    product KIND M N K                      "ready": the product is prepared and warm
    step OPTIMIZER ROWS WIDTH WIDTH ...     "ready": a training step of an MLP of these widths
    cnn OPTIMIZER ROWS                      "ready": a step of the small convolutional network
    transformer OPTIMIZER ROWS              "ready": a step of the small transformer
    run REPEATS                             seconds of one repetition, after one that is not timed

Time of one thread is the processor's, of several the clock's, as the benchmarks' own.
"""
import ctypes
import sys
import time

import torch

WARM_UP_SECONDS = 0.05

# Threads of OpenMP spin for some milliseconds after their work, on cores that are ours next.
SPIN_SECONDS = 0.02


def clock():
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def blas():
    """Which BLAS is loaded and for which core it works: a fresh Debian has the slow reference."""
    with open("/proc/self/maps", encoding="ascii", errors="replace") as maps:
        paths = {line.split()[-1] for line in maps if "blas" in line or "mkl" in line}
    for path in sorted(paths):
        library = ctypes.CDLL(path)
        if hasattr(library, "openblas_get_corename"):
            library.openblas_get_corename.restype = ctypes.c_char_p
            return "OpenBLAS for " + library.openblas_get_corename().decode()
    return "MKL" if torch.backends.mkl.is_available() else "an unknown BLAS"


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


def mlp(widths):
    layers = []
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def cnn():
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10))


VOCABULARY, TEXT_LENGTH, TEXT_WIDTH, BLOCKS, HEADS = 84, 64, 128, 4, 4


class Attention(torch.nn.Module):
    """Causal attention from matrix products, as many write it: torch 1.13 has no fused one that
    can be trained with."""

    def __init__(self):
        super().__init__()
        self.input = torch.nn.Linear(TEXT_WIDTH, 3 * TEXT_WIDTH)
        self.output = torch.nn.Linear(TEXT_WIDTH, TEXT_WIDTH)
        unseen = torch.ones(TEXT_LENGTH, TEXT_LENGTH, dtype=torch.bool).triu(1)
        self.register_buffer("mask", torch.zeros(TEXT_LENGTH, TEXT_LENGTH).masked_fill(
            unseen, float("-inf")))

    def forward(self, x):
        rows, width = len(x), TEXT_WIDTH // HEADS
        q, k, v = (
            part.view(rows, TEXT_LENGTH, HEADS, width).transpose(1, 2)
            for part in self.input(x).chunk(3, dim=-1))
        fused = getattr(torch.nn.functional, "scaled_dot_product_attention", None)
        if fused is not None:
            mixed = fused(q, k, v, is_causal=True)
        else:
            mixed = (q @ k.transpose(-1, -2) * width ** -0.5 + self.mask).softmax(dim=-1) @ v
        return self.output(mixed.transpose(1, 2).reshape(x.shape))


class OwnAttention(torch.nn.Module):
    """PyTorch's own module."""

    def __init__(self):
        super().__init__()
        self.heads = torch.nn.MultiheadAttention(TEXT_WIDTH, HEADS, batch_first=True)
        self.register_buffer(
            "mask", torch.ones(TEXT_LENGTH, TEXT_LENGTH, dtype=torch.bool).triu(1))

    def forward(self, x):
        return self.heads(x, x, x, attn_mask=self.mask, need_weights=False)[0]


class Residual(torch.nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


class Positions(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(0.02 * torch.randn(TEXT_LENGTH, TEXT_WIDTH))

    def forward(self, x):
        return x + self.weight


def transformer(attention):
    nn = torch.nn
    blocks = []
    for _ in range(BLOCKS):
        blocks += [
            Residual(nn.LayerNorm(TEXT_WIDTH), attention()),
            Residual(
                nn.LayerNorm(TEXT_WIDTH), nn.Linear(TEXT_WIDTH, 4 * TEXT_WIDTH), nn.GELU(),
                nn.Linear(4 * TEXT_WIDTH, TEXT_WIDTH)),
        ]
    return nn.Sequential(
        nn.Embedding(VOCABULARY, TEXT_WIDTH), Positions(), *blocks, nn.LayerNorm(TEXT_WIDTH),
        nn.Linear(TEXT_WIDTH, VOCABULARY), nn.Flatten(0, 1))


def step(optimizer_name, model, features, classes, foreach):
    """A training step on a batch that is already there; of text, every position has a class."""
    optimizer = {
        "momentum": lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.9, foreach=foreach),
        "adam": lambda p: torch.optim.Adam(p, lr=1e-4, foreach=foreach),
    }[optimizer_name](model.parameters())
    loss = torch.nn.CrossEntropyLoss()
    count = len(features) if features.is_floating_point() else features.numel()
    targets = torch.arange(count) % classes

    def run():
        optimizer.zero_grad(set_to_none=True)
        loss(model(features), targets).backward()
        optimizer.step()

    return run


def seconds(work, repeats):
    start = clock()
    for _ in range(repeats):
        work()
    return (clock() - start) / repeats


def warm(work):
    """Runs the work for a while; the best of what it then takes."""
    until = time.perf_counter() + WARM_UP_SECONDS
    work()
    while time.perf_counter() < until:
        work()
    return min(seconds(work, 1) for _ in range(9))


def fastest(optimizer, models, classes):
    """Whichever model, and whichever of the two ways of updating, is faster."""
    candidates = [
        step(optimizer, model, features, classes, foreach)
        for model, features in models for foreach in (False, True)
    ]
    return min(candidates, key=warm)


def prepare(words):
    torch.manual_seed(1)
    match words:
        case ["product", kind, *sizes]:
            work = product(kind, *map(int, sizes))
            warm(work)
            return work
        case ["step", optimizer, rows, *widths]:
            widths = list(map(int, widths))
            features = torch.rand(int(rows), widths[0])
            return fastest(optimizer, [(mlp(widths), features)], widths[-1])
        case ["cnn", optimizer, rows]:
            # Either order of channels in memory: which is faster depends on version and machine.
            images = torch.rand(int(rows), 1, 28, 28)
            last = torch.channels_last
            models = [
                (cnn(), images), (cnn().to(memory_format=last), images.to(memory_format=last))]
            return fastest(optimizer, models, 10)
        case ["transformer", optimizer, rows]:
            tokens = torch.randint(VOCABULARY, (int(rows), TEXT_LENGTH))
            models = [(transformer(kind), tokens) for kind in (Attention, OwnAttention)]
            return fastest(optimizer, models, VOCABULARY)
    raise ValueError(f"not understood: {' '.join(words)}")


def main():
    torch.set_num_threads(int(sys.argv[1]))
    work = None
    for line in sys.stdin:
        words = line.split()
        if words == ["about"]:
            answer = f"PyTorch {torch.__version__}, {blas()}"
        elif words[0] == "run":
            work()
            answer = repr(seconds(work, int(words[1])))
            if torch.get_num_threads() > 1:
                time.sleep(SPIN_SECONDS)
        else:
            work = prepare(words)
            answer = "ready"
        print(answer, flush=True)


main()

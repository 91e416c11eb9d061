#!/usr/bin/env python3
"""The training steps of `dotnet run -c Release --project benchmarks/Backprop.Benchmarks -- steps`,
by PyTorch: MLP 784-512-512-10, softmax cross-entropy, one step on a batch that is already there.

usage: steps.py [THREADS]
"""
import sys
import time

import torch

SAMPLES = 51


def clock():
    """As the table's: the processor's time for one thread, the clock for several."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def step_of(rows, make_optimizer):
    torch.manual_seed(1)
    model = torch.nn.Sequential(
        torch.nn.Linear(784, 512), torch.nn.ReLU(),
        torch.nn.Linear(512, 512), torch.nn.ReLU(),
        torch.nn.Linear(512, 10))
    optimizer = make_optimizer(model.parameters())
    loss = torch.nn.CrossEntropyLoss()
    features = torch.rand(rows, 784)
    targets = torch.arange(rows) % 10

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss(model(features), targets).backward()
        optimizer.step()

    return step


def main():
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} thread(s)")
    print("optimizer  batch  median ms  (best)")
    optimizers = {
        "momentum": lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.9),
        "adam": lambda p: torch.optim.Adam(p, lr=1e-4),
    }
    for name, make_optimizer in optimizers.items():
        for rows in (32, 64, 128, 256):
            step = step_of(rows, make_optimizer)
            for _ in range(3):
                step()
            times = []
            for _ in range(SAMPLES):
                start = clock()
                step()
                times.append(1e3 * (clock() - start))
            times.sort()
            print(f"{name:10}{rows:6}{times[SAMPLES // 2]:11.3f} ({times[0]:.3f})")


if __name__ == "__main__":
    main()

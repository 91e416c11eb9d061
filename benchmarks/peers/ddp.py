#!/usr/bin/env python3
"""A training job of DistributedDataParallel over gloo on this machine: a process a rank, one thread
each, an MLP with ReLU and SGD with momentum on batches that are already there. Prints the
milliseconds that a step takes.

usage: ddp.py RANKS ROWS STEPS WIDTH WIDTH ...
"""
import os
import socket
import sys
import time

import torch
import torch.distributed
import torch.multiprocessing

WARM_UP_STEPS = 30


def model_of(widths):
    torch.manual_seed(1)
    layers = []
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def train(rank, ranks, rows, steps, widths):
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", rank=rank, world_size=ranks)
    parallel = torch.nn.parallel.DistributedDataParallel(model_of(widths))
    optimizer = torch.optim.SGD(parallel.parameters(), lr=1e-3, momentum=0.9)
    loss = torch.nn.MSELoss()
    features = torch.rand(rows, widths[0])
    targets = torch.rand(rows, widths[-1])
    for step in range(-WARM_UP_STEPS, steps):
        if step == 0:
            torch.distributed.barrier()
            began = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss(parallel(features), targets).backward()
        optimizer.step()
    torch.distributed.barrier()
    if rank == 0:
        print(1e3 * (time.perf_counter() - began) / steps, flush=True)


def main():
    ranks, rows, steps, *widths = map(int, sys.argv[1:])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        os.environ["MASTER_PORT"] = str(free.getsockname()[1])
    os.environ["MASTER_ADDR"] = "127.0.0.1"
    torch.multiprocessing.spawn(train, (ranks, rows, steps, widths), nprocs=ranks)


if __name__ == "__main__":
    main()

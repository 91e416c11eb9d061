#!/usr/bin/env python3
"""What torchrun runs for `benchmarks/faults`: trains the MLP 784-512-512-10 with
DistributedDataParallel on 60,000 made-up images, 256 a step, Adam, gloo. Goes on from the newest
checkpoint.

usage: train.py DIRECTORY STEPS_PER_CHECKPOINT

Every rank adds a line a step to DIRECTORY/rank-R.steps: nanoseconds of the monotonic clock, steps
done, ranks, process.
"""
import ctypes
import os
import signal
import sys
import time

import torch
import torch.distributed

IMAGES = 60_000
BATCH = 256
CLASSES = 10
PR_SET_PDEATHSIG = 1


def model_of():
    torch.manual_seed(1)
    return torch.nn.Sequential(
        torch.nn.Linear(784, 512), torch.nn.ReLU(),
        torch.nn.Linear(512, 512), torch.nn.ReLU(),
        torch.nn.Linear(512, CLASSES))


def save(path, model, optimizer, step):
    """As is usual: under another name first, so that no checkpoint is ever half a file."""
    torch.save(
        {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step},
        path + ".new")
    os.replace(path + ".new", path)


def main():
    directory, steps_per_checkpoint = sys.argv[1], int(sys.argv[2])
    # A machine that dies takes the workers with it, not its agent alone.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
    path = os.path.join(directory, "checkpoint.pt")
    model = model_of()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    step = 0
    if os.path.exists(path):
        saved = torch.load(path)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        step = saved["step"]
    parallel = torch.nn.parallel.DistributedDataParallel(model)
    loss = torch.nn.CrossEntropyLoss()
    images = torch.randint(0, 256, (IMAGES, 784), dtype=torch.uint8)
    labels = torch.randint(0, CLASSES, (IMAGES,))
    rows = BATCH // world
    with open(os.path.join(directory, f"rank-{rank}.steps"), "a", buffering=1) as steps:
        while True:
            first = (step * BATCH + rank * rows) % (IMAGES - BATCH)
            optimizer.zero_grad(set_to_none=True)
            batch = images[first:first + rows].float() / 255
            loss(parallel(batch), labels[first:first + rows]).backward()
            optimizer.step()
            step += 1
            steps.write(f"{time.monotonic_ns()} {step} {world} {os.getpid()}\n")
            if rank == 0 and step % steps_per_checkpoint == 0:
                save(path, model, optimizer, step)


if __name__ == "__main__":
    main()

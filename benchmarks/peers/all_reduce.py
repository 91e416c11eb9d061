#!/usr/bin/env python3
"""gloo's all_reduce of a vector of float32 between two processes over loopback.

Reads lines "BYTES SECONDS"; answers each with the median seconds of a round when rounds of so many
bytes were done for so long. The end of the input ends it. `dotnet run -c Release --project
benchmarks/Backprop.Benchmarks -- links` asks it, by turns with rounds of its own.
"""
import multiprocessing
import os
import sys
import tempfile
import time

os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")

import torch
import torch.distributed as dist

WARM_UPS = 3


def join(rank, meeting):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)


def rounds(count, size):
    """Seconds of each of `count` rounds; both processes call it alike."""
    vector = torch.ones(size // 4)
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        dist.all_reduce(vector)
        seconds.append(time.perf_counter() - start)
    return seconds


def follow(meeting):
    """The second process: does what the first one says, until that is nothing."""
    join(1, meeting)
    order = torch.zeros(2, dtype=torch.int64)
    while True:
        dist.broadcast(order, 0)
        count, size = order.tolist()
        if count == 0:
            return
        rounds(count, size)


def lead(count, size):
    dist.broadcast(torch.tensor([count, size]), 0)
    return rounds(count, size)


def main():
    with tempfile.TemporaryDirectory() as folder:
        meeting = os.path.join(folder, "meeting")
        other = multiprocessing.get_context("spawn").Process(target=follow, args=(meeting,))
        other.start()
        join(0, meeting)
        for line in sys.stdin:
            size, limit = int(line.split()[0]), float(line.split()[1])
            once = min(lead(WARM_UPS, size))
            seconds = sorted(lead(max(3, int(limit / once)), size))
            print(seconds[len(seconds) // 2], flush=True)
        dist.broadcast(torch.zeros(2, dtype=torch.int64), 0)
        other.join()
        dist.destroy_process_group()


if __name__ == "__main__":
    main()

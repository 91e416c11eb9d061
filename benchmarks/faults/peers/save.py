#!/usr/bin/env python3
"""What torch.save takes for the MLP 784-512-512-10 with the state of Adam: while it runs, training
stands still. A line a save: milliseconds without and with fsync.

usage: save.py FILE SAVES
"""
import os
import sys
import time

import torch

from train import model_of


def main():
    path, saves = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(1)
    model = model_of()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    torch.nn.CrossEntropyLoss()(model(torch.rand(256, 784)), torch.arange(256) % 10).backward()
    optimizer.step()
    for _ in range(saves):
        began = time.perf_counter()
        with open(path, "wb") as file:
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, file)
            file.flush()
            written = time.perf_counter()
            os.fsync(file.fileno())
        print(f"{1e3 * (written - began):.3f} {1e3 * (time.perf_counter() - began):.3f}")


if __name__ == "__main__":
    main()

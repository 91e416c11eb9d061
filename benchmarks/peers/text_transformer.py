#!/usr/bin/env python3
"""Trains the transformer of hocon/runs/text-transformer.conf in PyTorch, from the same weights and
on the same batches, and prints the losses that Backprop.Distributed is held against.

usage, in the repository:
    backprop train benchmarks/peers/text-transformer-begin.conf --output runs/begin
    backprop train benchmarks/peers/text-transformer.conf --output runs/text-transformer-peer
    python3 benchmarks/peers/text_transformer.py runs/begin/model.bpm data/text/moby-dick.txt 400

Everything is in single precision, as ours; what differs is the order of sums.
"""
import json
import struct
import sys

import torch
from torch.nn import functional

LENGTH, BATCH, LAYERS, HEADS, EPSILON = 64, 16, 4, 4, 1e-5
RATE, DECAY, CLIP = 1e-3, 0.01, 1.0
EVALUATION_ROWS = 256


def read_model(path):
    """The tensors of a model file by name; its format stands in Checkpoints/SectionFile.cs."""
    with open(path, "rb") as file:
        data = file.read()
    header_bytes = struct.unpack_from("<i", data, 12)[0]
    header = json.loads(data[16:16 + header_bytes])
    floats = torch.frombuffer(
        bytearray(data[16 + header_bytes + 12:-32]), dtype=torch.float32).clone()
    tensors = {}
    for parameter in header["Parameters"]:
        shape, offset = parameter["Shape"], parameter["Offset"]
        count = torch.Size(shape).numel()
        tensors[parameter["Name"]] = floats[offset:offset + count].reshape(shape).clone()
    return tensors, header["TargetNames"]


def windows(path, vocabulary):
    """The training and the validation windows, [windows, LENGTH + 1]."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    numbers = {name: token for token, name in enumerate(vocabulary)}
    tokens = torch.tensor([numbers.get(character, 0) for character in text])
    cut = int(0.9 * len(tokens))
    return [
        part.unfold(0, LENGTH + 1, LENGTH) for part in (tokens[:cut], tokens[cut:])
    ]


def normalize(x, weights, name):
    return functional.layer_norm(
        x, x.shape[-1:], weights[f"{name}.scale"], weights[f"{name}.bias"], EPSILON)


def dense(x, weights, name):
    return x @ weights[f"{name}.weight"] + weights[f"{name}.bias"]


def attention(x, weights, name):
    rows, positions, width = x.shape
    q, k, v = (
        part.view(rows, positions, HEADS, width // HEADS).transpose(1, 2)
        for part in dense(x, weights, f"{name}.input").chunk(3, dim=-1))
    unseen = torch.ones(positions, positions, dtype=torch.bool).triu(1)
    scores = q @ k.transpose(-1, -2) / (width // HEADS) ** 0.5
    mixed = scores.masked_fill(unseen, float("-inf")).softmax(dim=-1) @ v
    return dense(mixed.transpose(1, 2).reshape(x.shape), weights, f"{name}.output")


def logits(tokens, weights):
    x = weights["embedding1.weight"][tokens] + weights["positional-encoding1.weight"]
    for layer in range(1, LAYERS + 1):
        block = f"block1-{layer}"
        first, second = f"{block}.residual1", f"{block}.residual2"
        x = x + attention(
            normalize(x, weights, f"{first}.layer-normalization1"), weights,
            f"{first}.attention1")
        inner = dense(
            normalize(x, weights, f"{second}.layer-normalization1"), weights, f"{second}.dense1")
        x = x + dense(functional.gelu(inner), weights, f"{second}.dense2")
    return dense(normalize(x, weights, "layer-normalization1"), weights, "output")


def loss_of(rows, weights):
    outputs = logits(rows[:, :-1], weights)
    return functional.cross_entropy(outputs.flatten(0, 1), rows[:, 1:].flatten())


def main():
    torch.set_num_threads(1)
    weights, vocabulary = read_model(sys.argv[1])
    train, validation = windows(sys.argv[2], vocabulary)
    steps = int(sys.argv[3])
    for tensor in weights.values():
        tensor.requires_grad_(True)
    decayed = [tensor for name, tensor in weights.items() if name.endswith(".weight")]
    others = [tensor for name, tensor in weights.items() if not name.endswith(".weight")]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}],
        lr=RATE)
    total = 0.0
    for step in range(steps):
        optimizer.zero_grad()
        loss = loss_of(train[step * BATCH:(step + 1) * BATCH], weights)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(weights.values()), CLIP)
        optimizer.step()
        total += loss.item()
    with torch.no_grad():
        held = sum(
            loss_of(rows, weights).item() * len(rows)
            for rows in validation.split(EVALUATION_ROWS)) / len(validation)
    print(f"{steps} steps, training loss {total / steps:.4f}, validation loss {held:.4f}")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Trains the models of hocon/runs/text-transformer.conf and text-lstm.conf in PyTorch, from the same
weights and on the same batches, and prints the losses that Backprop.Distributed is held against.

usage, in the repository, with MODEL text-transformer or text-lstm:
    backprop train benchmarks/peers/MODEL-begin.conf --output runs/begin
    backprop train benchmarks/peers/MODEL.conf --output runs/peer
    python3 benchmarks/peers/text_models.py MODEL runs/begin/model.bpm data/text/moby-dick.txt 400

Everything is in single precision, as ours; what differs is the order of sums.
"""
import json
import struct
import sys

import torch
from torch.nn import functional

LENGTH, BATCH, CLIP = 64, 16, 1.0
LAYERS, HEADS, EPSILON = 4, 4, 1e-5
UNITS = 192
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


def transformer(tokens, weights):
    """Logits of the tokens that follow, [rows, LENGTH, vocabulary]."""
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


def recurrence(x, weights, name):
    """PyTorch's LSTM, whose second bias is left at 0: it would only be added to the first."""
    zeros = torch.zeros(1, len(x), UNITS)
    tensors = [
        weights[f"{name}.input.weight"].t().contiguous(),
        weights[f"{name}.weight"].t().contiguous(),
        weights[f"{name}.input.bias"], torch.zeros(4 * UNITS),
    ]
    return torch.lstm(
        x, (zeros, zeros), tensors, has_biases=True, num_layers=1, dropout=0.0, train=False,
        bidirectional=False, batch_first=True)[0]


def lstm(tokens, weights):
    """Logits of the tokens that follow, [rows, LENGTH, vocabulary]."""
    x = recurrence(weights["embedding1.weight"][tokens], weights, "lstm1")
    return dense(recurrence(x, weights, "lstm2"), weights, "output")


def adamw(weights):
    decayed = [tensor for name, tensor in weights.items() if name.endswith(".weight")]
    others = [tensor for name, tensor in weights.items() if not name.endswith(".weight")]
    return torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}],
        lr=1e-3)


def adam(weights):
    return torch.optim.Adam(weights.values(), lr=2e-3)


MODELS = {"text-transformer": (transformer, adamw), "text-lstm": (lstm, adam)}


def main():
    torch.set_num_threads(1)
    logits, make_optimizer = MODELS[sys.argv[1]]
    weights, vocabulary = read_model(sys.argv[2])
    train, validation = windows(sys.argv[3], vocabulary)
    steps = int(sys.argv[4])
    for tensor in weights.values():
        tensor.requires_grad_(True)
    optimizer = make_optimizer(weights)

    def loss_of(rows):
        outputs = logits(rows[:, :-1], weights)
        return functional.cross_entropy(outputs.flatten(0, 1), rows[:, 1:].flatten())

    total = 0.0
    for step in range(steps):
        optimizer.zero_grad()
        loss = loss_of(train[step * BATCH:(step + 1) * BATCH])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(weights.values()), CLIP)
        optimizer.step()
        total += loss.item()
    with torch.no_grad():
        held = sum(
            loss_of(rows).item() * len(rows)
            for rows in validation.split(EVALUATION_ROWS)) / len(validation)
    print(f"{steps} steps, training loss {total / steps:.4f}, validation loss {held:.4f}")


if __name__ == "__main__":
    main()

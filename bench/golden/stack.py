"""A stack of PyTorch's modules in a safetensors file, with an input and its answer.

    python3 bench/golden/stack.py spec/fixtures/arrays/torch_stack.safetensors

The container is written by its description: PyTorch alone is needed.
Made with PyTorch 1.13.1 (Debian 12).
"""
import json
import struct
import sys

import torch


def save(tensors, path):
    header, data = {}, b""
    for name, t in tensors.items():
        raw = t.detach().contiguous().numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(t.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


torch.manual_seed(1)
stack = torch.nn.Sequential(
    torch.nn.Linear(5, 5), torch.nn.GELU(), torch.nn.LayerNorm(5),
    torch.nn.Linear(5, 3, bias=False))
x = torch.linspace(-2, 2, 20).reshape(4, 5)
save({**stack.state_dict(), "x": x, "y": stack(x)}, sys.argv[1])

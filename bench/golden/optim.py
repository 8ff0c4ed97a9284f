"""Steps of PyTorch's optimisers and schedules, and its clipping.

    python3 bench/golden/optim.py > spec/fixtures/optim_golden.lua

The weights begin at (1, -2, 0.5); the gradient of the t-th step is
(0.5 + w_1 / t, -1 + sin(t), t w_3), in float64.
Made with PyTorch 1.13.1 (Debian 12).
"""
import math

import torch

torch.set_default_dtype(torch.float64)
STEPS = 7

OPTIMISERS = [
    ("sgd", "SGD", {"lr": 0.1}),
    ("sgd", "SGD", {"lr": 0.1, "weight_decay": 0.2}),
    ("sgd", "SGD", {"lr": 0.1, "momentum": 0.9}),
    ("sgd", "SGD", {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.1}),
    ("adam", "Adam", {}),
    ("adam", "Adam", {"lr": 0.1, "weight_decay": 0.3, "beta1": 0.8, "beta2": 0.95, "eps": 1e-3}),
    ("adamw", "AdamW", {}),
    ("adamw", "AdamW", {"lr": 0.1, "weight_decay": 0.3, "beta1": 0.8, "beta2": 0.95}),
    ("rmsprop", "RMSprop", {}),
    ("rmsprop", "RMSprop", {"lr": 0.05, "alpha": 0.9, "eps": 1e-4, "momentum": 0.5,
                            "weight_decay": 0.1}),
]


def show(numbers):
    return "{ " + ", ".join("%.9g" % x for x in numbers) + " }"


def in_lua(options):
    text = {True: "true", False: "false"}
    return "{ " + ", ".join("%s = %s" % (k, text.get(v, "%g" % v)) if isinstance(v, bool)
                            else "%s = %g" % (k, v) for k, v in options.items()) + " }"


def path_of(kind, options):
    options = dict(options)
    if "beta1" in options:
        options["betas"] = (options.pop("beta1"), options.pop("beta2"))
    w = torch.tensor([1.0, -2.0, 0.5], requires_grad=True)
    if kind == "SGD":
        options.setdefault("lr", 1e-3)
    optimiser, path = getattr(torch.optim, kind)([w], **options), []
    for t in range(1, STEPS + 1):
        v = w.detach()
        w.grad = torch.stack([0.5 + v[0] / t, torch.tensor(-1 + math.sin(t)), t * v[2]])
        optimiser.step()
        path.append(show(w.tolist()))
    return path


def rates(make, n):
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=2.0)
    schedule, out = make(optimiser), []
    for _ in range(n):
        out.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    return show(out)


S = torch.optim.lr_scheduler
SCHEDULES = [
    ("step", {"every": 3, "gamma": 0.5}, 8, lambda o: S.StepLR(o, 3, 0.5)),
    ("step", {"every": 2}, 5, lambda o: S.StepLR(o, 2)),
    ("cosine", {"steps": 6}, 7, lambda o: S.CosineAnnealingLR(o, 6)),
    ("cosine", {"steps": 5, "least": 0.1}, 6, lambda o: S.CosineAnnealingLR(o, 5, 0.2)),
    ("warmup", {"steps": 4}, 7, lambda o: S.LinearLR(o, 0.25, 1, 3)),
    ("one_cycle", {"steps": 10}, 10, lambda o: S.OneCycleLR(o, 2.0, 10, cycle_momentum=False)),
    ("one_cycle", {"steps": 7, "start": 10, "final": 100, "share": 0.5}, 7,
     lambda o: S.OneCycleLR(o, 2.0, 7, pct_start=0.5, div_factor=10, final_div_factor=100,
                            cycle_momentum=False)),
]


def clipped(most):
    a, b = torch.zeros(2), torch.zeros(1)
    a.grad, b.grad = torch.tensor([3.0, -1.0]), torch.tensor([2.0])
    norm = torch.nn.utils.clip_grad_norm_([a, b], most)
    return show([float(norm)] + a.grad.tolist() + b.grad.tolist())


print("-- luacheck: no max line length")
print("-- Made by bench/golden/optim.py with PyTorch %s: see there." % torch.__version__)
print("return {\n  optimisers = {")
for name, kind, options in OPTIMISERS:
    print('    { name = "%s", options = %s, path = { %s } },' % (
        name, in_lua(options), ", ".join(path_of(kind, options))))
print("  },\n  schedules = {")
for name, options, n, make in SCHEDULES:
    print('    { name = "%s", options = %s, rates = %s },' % (name, in_lua(options), rates(make, n)))
print("  },\n  clipped = { { 1, %s }, { 10, %s } },\n}" % (clipped(1), clipped(10)))

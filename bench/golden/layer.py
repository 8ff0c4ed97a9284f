"""Golden numbers of sparse layers, modules and losses, by an implementation in
PyTorch's autograd that shares nothing with ours: every expert answers every row
in float64, and a dense matrix of weights mixes the answers.

    python3 bench/golden/layer.py > spec/fixtures/layer_golden.lua

Inputs are a formula (`draw`), which the specs repeat.  Of each tensor two scalar
products with vectors of that formula and the norm are kept.
Made with PyTorch 1.13.1 (Debian 12).
"""
import math
import sys

import torch
import torch.nn.functional as F

from generator import Generator, seed_at, seed_of

torch.set_default_dtype(torch.float64)
SHAPES = [(7, 3, 4, 4), (6, 5, 2, 4), (12, 4, 6, 8)]  # rows, dim, hidden, experts


def draw(shape, seed):
    """2 frac(sin(12.9898 i + 78.233 seed) 43758.5453) - 1, as float32."""
    n = math.prod(shape)
    out = []
    for i in range(1, n + 1):
        x = math.sin(12.9898 * i + 78.233 * seed) * 43758.5453
        out.append(2 * (x - math.floor(x)) - 1)
    return torch.tensor(out, dtype=torch.float32).double().reshape(shape)


def digest(t):
    flat = t.detach().reshape(-1)
    numbers = [float(flat @ draw(flat.shape, s)) for s in (91, 92)]
    return numbers + [float(flat.norm())]


def show(numbers):
    return "{ " + ", ".join("%.7g" % x for x in numbers) + " }"


# ------------------------------------------------------------------- experts

ACTIVATIONS = {
    "relu": F.relu, "gelu": F.gelu, "silu": F.silu, "tanh": torch.tanh,
    "gelu_tanh": lambda z: F.gelu(z, approximate="tanh"),
    "sigmoid": torch.sigmoid, "softplus": F.softplus,
    "swiglu": F.silu, "geglu": F.gelu,
}


def new_gate(case, dim, logits):
    kind, width = case.get("gate", "linear"), case.get("gate_hidden")
    if kind == "cosine":
        return {"project": draw((dim, width), 21), "rows": draw((logits, width), 22),
                "scale": 1 + draw((1,), 23)}
    if kind == "mlp":
        return {"gate_in": draw((dim, width), 21), "gate_bias": draw((width,), 22),
                "gate_out": 2 * draw((width, logits), 23)}
    return {"gate": 1.5 * draw((dim, logits), 2)}


def logits_of(p, case, x):
    kind = case.get("gate", "linear")
    if kind == "cosine":
        return F.normalize(x @ p["project"]) @ F.normalize(p["rows"]).t() * p["scale"].exp()
    if kind == "mlp":
        return torch.tanh(x @ p["gate_in"] + p["gate_bias"]) @ p["gate_out"]
    return x @ p["gate"]


def new_layer(shape, case):
    n, dim, hidden, experts = shape
    gated = case.get("activation", "relu") in ("swiglu", "geglu")
    logits = experts * case.get("slots", 1)
    p = {"x": draw((n, dim), 1), "w_in": draw((experts, dim, hidden), 3),
         "w_out": draw((experts, hidden, dim), 4), **new_gate(case, dim, logits)}
    if gated:
        p["w_gate"] = draw((experts, dim, hidden), 5)
    if case.get("bias", not gated):
        p["b_in"] = 0.5 * draw((experts, hidden), 6)
        p["b_out"] = 0.5 * draw((experts, dim), 7)
    if case.get("tied"):
        p["gate"][:, 1::2] = p["gate"][:, 0::2]
    if "shared_experts" in case:
        width = case["shared_experts"] * hidden
        p["shared_in"], p["shared_out"] = draw((dim, width), 24), draw((width, dim), 25)
        p["shared_b"], p["shared_c"] = draw((width,), 26), draw((dim,), 27)
    if case.get("noise") == "learned":
        p["noise_weight"] = draw((dim, experts), 9)
    for t in p.values():
        t.requires_grad_()
    return p


def answers(p, case, x):
    """experts x rows x dim"""
    f = ACTIVATIONS[case.get("activation", "relu")]
    h = torch.einsum("nd,edh->enh", x, p["w_in"])
    if "b_in" in p:
        h = h + p["b_in"][:, None]
    if "w_gate" in p:
        h = f(torch.einsum("nd,edh->enh", x, p["w_gate"])) * h
    else:
        h = f(h)
    y = torch.einsum("enh,ehd->end", h, p["w_out"])
    return y + p["b_out"][:, None] if "b_out" in p else y


# -------------------------------------------------------------------- routing


def disturbed(z, deviations, case):
    """Logits as they are compared in a layer's first step of training: a generator a
    row gives jitter and noise, expert by expert, and then who is left out."""
    n, experts = z.shape
    seed = seed_of(0, "route1")
    factor, noise = torch.ones(n, experts), torch.zeros(n, experts)
    out = torch.zeros(n, experts, dtype=torch.bool)
    for i in range(n):
        g = Generator(seed_at(seed, i))
        for e in range(experts):
            if "jitter" in case:
                factor[i, e] += case["jitter"] * (2 * g.unit() - 1)
            if deviations is not None:
                noise[i, e] = g.normal()
        if "expert_dropout" in case:
            twin = Generator(0)
            twin.s = list(g.s)
            drawn = [twin.unit() for _ in range(experts)]
            spared = max(range(experts), key=lambda e: (drawn[e], -e))
            for e in range(experts):
                out[i, e] = g.unit() < case["expert_dropout"] and e != spared
    z = z * factor
    if deviations is not None:
        z = z + noise * deviations
    return z.masked_fill(out, -math.inf), out


def load_loss(z, noisy, deviations, k):
    """CV^2 of sum_i Phi((z - the k-th highest noisy logit of the others) / deviation)."""
    n, experts = z.shape
    load = []
    for e in range(experts):
        others = torch.cat([noisy[:, :e], noisy[:, e + 1:]], 1)
        bar = others.sort(1, descending=True).values[:, k - 1]
        margin = (z[:, e] - bar) / deviations[:, e]
        load.append((0.5 * (1 + torch.erf(margin / math.sqrt(2)))).sum())
    load = torch.stack(load)
    return load.var(unbiased=False) / load.mean() ** 2


def next_bias(case, probs, chosen, bias):
    """The selection bias one step on, as Wang et al. 2024 (by sign or size of the
    excess) and Su 2026 (by quantiles of margins) have it."""
    n, experts = probs.shape
    rate, k = case["bias_rate"], case["top_k"]
    if case["bias_update"] == "quantile":
        bars = (probs + bias).sort(1, descending=True).values[:, k]
        margins = (probs - bars[:, None]).sort(0, descending=True).values
        to = -margins[k * n // experts]
        step = rate * (to - to.mean() - bias)
    else:
        load = torch.zeros(experts)
        for row in chosen:
            load[row] += 1
        excess = load.mean() - load
        step = rate * (excess.sign() if case["bias_update"] == "sign" else excess / load.mean())
    bias = bias + step
    return bias - bias.mean()


def hashed(ids, experts, k):
    chosen = []
    for i in ids:
        g, row = Generator(seed_at(0, i)), []
        while len(row) < k:
            e = g.below(experts)
            if e not in row:
                row.append(e)
        chosen.append(row)
    return chosen


def scores_of(z, case):
    z = z / case.get("temperature", 1)
    kind = case.get("score", "softmax")
    if kind == "sigmoid":
        return torch.sigmoid(z)
    if kind == "sqrt_softplus":
        return F.softplus(z).sqrt()
    return F.softmax(z, -1)


def best(keys, k, allowed):
    """The k best of a row among those allowed, lower numbers first in ties."""
    order = sorted(allowed, key=lambda e: (-float(keys[e]), e))
    return order[:k]


def in_groups(row, case, experts):
    groups, kept = case.get("groups", 1), case.get("top_groups")
    if kept is None:
        return list(range(experts))
    size = experts // groups
    worth = []
    for g in range(groups):
        two = sorted((float(row[g * size + i]) for i in range(size)), reverse=True)[:2]
        worth.append(sum(two))
    chosen = sorted(range(groups), key=lambda g: (-worth[g], g))[:kept]
    return [e for e in range(experts) if e // size in chosen]


def rows_in_order(case, probs):
    n = probs.shape[0]
    if case.get("drop_order") == "score":
        return sorted(range(n), key=lambda i: (-float(probs[i].max()), i))
    return list(range(n))


def select(case, keys, probs, k):
    """(selected, kept): lists of experts a row; those beyond the capacity are
    selected and not kept, or go to the next best."""
    n, experts = probs.shape
    chosen = [best(keys[i], k, in_groups(keys[i], case, experts)) for i in range(n)]
    if "threshold" in case:
        for i in range(n):
            total, m = 0.0, 0
            while m < len(chosen[i]) and total < case["threshold"]:
                total += float(probs[i, chosen[i][m]])
                m += 1
            chosen[i] = chosen[i][:m]
    if "capacity_factor" not in case:
        return chosen, chosen
    room = [max(case.get("min_capacity", 1), math.ceil(case["capacity_factor"] * n * k / experts - 1e-9))] * experts
    order = rows_in_order(case, probs)
    if case.get("overflow") == "next_best":
        for i in order:
            free = [e for e in in_groups(keys[i], case, experts) if room[e] > 0]
            chosen[i] = best(keys[i], len(chosen[i]), free)
            for e in chosen[i]:
                room[e] -= 1
        return chosen, chosen
    kept = [[] for _ in range(n)]
    for place in range(k):
        for i in order:
            if place < len(chosen[i]) and room[chosen[i][place]] > 0:
                room[chosen[i][place]] -= 1
                kept[i].append(chosen[i][place])
    return chosen, kept


def weigh(case, z, probs, chosen, kept):
    """The dense matrix of weights: rows x experts."""
    n, experts = probs.shape
    out = []
    for i in range(n):
        if case.get("score") == "softmax_selected" or case["router"] == "noisy_top_k":
            p = torch.zeros(experts)
            if chosen[i]:
                at = torch.tensor(chosen[i])
                p = p.index_put((at,), F.softmax(z[i, at] / case.get("temperature", 1), -1))
        elif case.get("renormalize", True) and case["router"] != "switch":
            p = probs[i] / probs[i, chosen[i]].sum() if chosen[i] else probs[i]
        else:
            p = probs[i]
        mask = torch.zeros(experts)
        mask[kept[i]] = 1
        out.append(p * mask)
    return torch.stack(out)


def sinkhorn(z):
    n, experts = z.shape
    p = F.softmax(z, -1)
    for _ in range(8):
        p = p / (p.sum(0, keepdim=True) * (experts / n))
        p = p / p.sum(1, keepdim=True)
    return p


def choose_rows(case, probs):
    n, experts = probs.shape
    taken = min(n, max(1, math.floor(case.get("capacity_factor", 1) * case["top_k"] * n / experts + 1e-9)))
    kept = [[] for _ in range(n)]
    for e in range(experts):
        for i in sorted(range(n), key=lambda i: (-float(probs[i, e]), i))[:taken]:
            kept[i].append(e)
    return [best(row, experts, at) for row, at in zip(probs, kept)]


def route(case, z, out, bias, ids):
    """weights (rows x experts), scores, selections"""
    n, experts = z.shape
    probs = scores_of(z, case)
    router = case["router"]
    if router == "hash":
        chosen = hashed(ids, experts, case["top_k"])
        w = torch.zeros(n, experts)
        for i, row in enumerate(chosen):
            w[i, row] = 1 / case["top_k"]
        return w, w, chosen
    if router == "soft":
        kept = [best(row, experts, range(experts)) for row in probs]
        return weigh(case, z, probs, kept, kept), probs, kept
    if router == "expert_choice":
        kept = choose_rows(case, probs)
        return weigh(case, z, probs, kept, kept), probs, kept
    keys = sinkhorn(z.detach()) if router == "sinkhorn" else probs + bias
    keys = keys.masked_fill(out, -math.inf)
    k = 1 if router == "switch" else case["top_k"]
    chosen, kept = select(case, keys, probs, k)
    if "expert_dropout" in case:
        chosen = [[e for e in row if not out[i, e]] for i, row in enumerate(chosen)]
        kept = chosen
    return weigh(case, z, probs, chosen, kept), probs, chosen


# --------------------------------------------------------------------- losses


def losses_of(z, probs, chosen):
    n, experts = probs.shape
    q = probs / probs.sum(1, keepdim=True)
    mean = q.mean(0)
    f, c = torch.zeros(experts), torch.zeros(experts)
    for row in chosen:
        for e in row:
            f[e] += 1
        if row:
            c[row[0]] += 1
    f, c = f / f.sum(), c / c.sum()
    entropy = -(q * q.log()).sum(1) / math.log(experts)
    return {
        "switch": experts * (f * mean).sum(),
        "gshard": experts * (c * mean).sum(),
        "importance": mean.var(unbiased=False) / mean.mean() ** 2,
        "collapse": 1 + (mean * mean.log()).sum() / math.log(experts),
        "entropy": entropy.mean(),
        "z": (torch.logsumexp(z, 1) ** 2).mean(),
    }


# ---------------------------------------------------------------------- cases

CASES = [
    dict(router="soft"),
    dict(router="soft", score="sigmoid", renormalize=False, activation="gelu"),
    dict(router="soft", score="sigmoid", activation="tanh"),
    dict(router="top_k", top_k=2),
    dict(router="top_k", top_k=2, renormalize=False, activation="swiglu"),
    dict(router="top_k", top_k=1, renormalize=False, activation="geglu", bias=True),
    dict(router="top_k", top_k=4, activation="gelu_tanh"),
    dict(router="top_k", top_k=2, score="sigmoid", activation="silu"),
    dict(router="top_k", top_k=3, score="sigmoid", renormalize=False),
    dict(router="top_k", top_k=2, score="softmax_selected", temperature=2, activation="sigmoid"),
    dict(router="top_k", top_k=2, score="sqrt_softplus", activation="softplus"),
    dict(router="top_k", top_k=2, groups=2, top_groups=1),
    dict(router="top_k", top_k=3, threshold=0.6, bias=False),
    dict(router="top_k", top_k=2, tied=True),
    dict(router="top_k", top_k=2, mask=True, activation="swiglu"),
    dict(router="top_k", top_k=2, capacity_factor=0.8),
    dict(router="top_k", top_k=2, capacity_factor=0.8, drop_order="score", renormalize=False),
    dict(router="top_k", top_k=2, capacity_factor=1, overflow="next_best"),
    dict(router="top_k", top_k=2, capacity_factor=0.6, overflow="next_best", mask=True),
    dict(router="top_k", top_k=2, capacity_factor=0.8, tied=True),
    dict(router="noisy_top_k", top_k=2),
    dict(router="switch"),
    dict(router="switch", capacity_factor=1),
    dict(router="switch", capacity_factor=0.6, drop_order="score", mask=True),
    dict(router="expert_choice", top_k=2),
    dict(router="expert_choice", top_k=1, renormalize=False, activation="gelu"),
    dict(router="expert_choice", top_k=2, mask=True, tied=True),
    dict(router="sinkhorn", top_k=1, renormalize=False),
    dict(router="sinkhorn", top_k=2, activation="swiglu"),
    dict(router="soft_moe", slots=1),
    dict(router="soft_moe", slots=2, activation="swiglu"),
    dict(router="soft_moe", slots=1, mask=True),
    dict(router="top_k", top_k=2, scale=2.5),
    dict(router="top_k", top_k=2, gate="cosine", gate_hidden=3),
    dict(router="switch", gate="mlp", gate_hidden=5),
    dict(router="soft_moe", slots=2, gate="cosine", gate_hidden=2),
    dict(router="expert_choice", top_k=2, gate="mlp", gate_hidden=3, mask=True),
    dict(router="expert_choice", top_k=2, capacity_factor=0.7),
    dict(router="expert_choice", top_k=1, capacity_factor=1.5, score="sigmoid"),
    dict(router="top_k", top_k=2, shared_experts=2, scale=2),
    dict(router="top_k", top_k=2, capacity_factor=0.3, min_capacity=2),
    dict(router="soft", mask=True, tied=True),
    dict(router="switch", tied=True, capacity_factor=0.8),
    dict(router="switch", capacity_factor=0.6, overflow="next_best"),
    dict(router="sinkhorn", top_k=2, mask=True, tied=True),
    dict(router="noisy_top_k", top_k=2, capacity_factor=0.8, mask=True),
    dict(router="hash", top_k=1),
    dict(router="hash", top_k=2, mask=True),
    dict(router="noisy_top_k", top_k=1, noise="learned"),
    dict(router="noisy_top_k", top_k=2, noise="learned", mask=True),
    dict(router="noisy_top_k", top_k=3, noise=0.5, activation="swiglu"),
    dict(router="top_k", top_k=2, noise="learned", score="sigmoid"),
    dict(router="top_k", top_k=2, jitter=0.5),
    dict(router="switch", jitter=0.3, noise=0.2, mask=True),
    dict(router="top_k", top_k=2, expert_dropout=0.4, renormalize=False),
    dict(router="top_k", top_k=2, expert_dropout=0.3, jitter=0.2),
    dict(router="top_k", top_k=2, bias_update="sign", bias_rate=0.1),
    dict(router="top_k", top_k=2, bias_update="magnitude", bias_rate=0.1, score="sigmoid"),
    dict(router="top_k", top_k=2, bias_update="quantile", bias_rate=1, score="sigmoid"),
    dict(router="top_k", top_k=1, bias_update="quantile", bias_rate=0.5, renormalize=False),
    dict(router="top_k", top_k=2, bias_update="quantile", bias_rate=1, mask=True, tied=True),
    dict(router="top_k", top_k=2, bias_update="sign", bias_rate=0.1, groups=2, top_groups=1,
         score="sigmoid", capacity_factor=0.8),
]


def kept_by(case, n):
    """Rows that the mask keeps: not each third."""
    return [i for i in range(n) if not case.get("mask") or i % 3 != 2]


def run_slots(case, p, x, z):
    dispatch, combine = F.softmax(z, 0), F.softmax(z, 1)
    slots = dispatch.t() @ x
    each = answers(p, case, slots)
    s = case["slots"]
    return combine @ torch.stack([each[i // s, i] for i in range(slots.shape[0])])


def run_experts(case, p, x, z, ids):
    """answer, losses, the next bias"""
    experts, deviations = z.shape[1], None
    if case.get("noise") == "learned":
        deviations = F.softplus(x @ p["noise_weight"]) + 1e-2
    elif "noise" in case:
        deviations = torch.full(z.shape, case["noise"])
    noisy, out = disturbed(z, deviations, case)
    biased = "bias_update" in case
    bias = 0.3 * draw((experts,), 10) if biased else torch.zeros(experts)
    w, probs, chosen = route(case, noisy, out, bias, ids)
    y = torch.einsum("ne,end->nd", w, answers(p, case, x))
    if case["router"] == "hash" or out.any():
        return y, {}, None
    losses = losses_of(z, probs, chosen)
    if deviations is not None:
        losses["load"] = load_loss(z, noisy, deviations, len(chosen[0]))
    return y, losses, next_bias(case, probs.detach(), chosen, bias) if biased else None


def run(case, p, n):
    keep = torch.tensor(kept_by(case, n))
    x = p["x"][keep]
    z = logits_of(p, case, x)
    if case["router"] == "soft_moe":
        y, losses, bias = run_slots(case, p, x, z), {}, None
    else:
        y, losses, bias = run_experts(case, p, x, z, [3 * i + 4 for i in keep.tolist()])
    y = y * case.get("scale", 1)
    if "shared_experts" in case:
        h = ACTIVATIONS[case.get("activation", "relu")](x @ p["shared_in"] + p["shared_b"])
        y = y + h @ p["shared_out"] + p["shared_c"]
    return torch.zeros_like(p["x"]).index_copy(0, keep, y), losses, bias


def gradients(value, p):
    names = sorted(p)
    found = torch.autograd.grad(value, [p[k] for k in names], retain_graph=True, allow_unused=True)
    return {k: g for k, g in zip(names, found) if g is not None}


def in_lua(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return '"%s"' % value if isinstance(value, str) else "%g" % value


def print_tensors(name, tensors, indent):
    inner = ", ".join("%s = %s" % (k, show(digest(t))) for k, t in sorted(tensors.items()))
    print("%s%s = { %s }," % (indent, name, inner))


def print_layer(case, shape):
    p = new_layer(shape, case)
    y, losses, bias = run(case, p, shape[0])
    value = (y * draw(y.shape, 8)).sum()
    options = ", ".join("%s = %s" % (k, in_lua(v)) for k, v in case.items())
    print("    {\n      options = { %s }, shape = { %d, %d, %d, %d }," % ((options,) + shape))
    values = {"y": y} if bias is None else {"y": y, "selection_bias": bias}
    print_tensors("values", values, "      ")
    print_tensors("gradients", gradients(value, p), "      ")
    if shape == SHAPES[0]:
        print_losses(p, losses)
    print("    },")


def print_losses(p, losses):
    print("      losses = {")
    for name, loss in losses.items():
        g = gradients(loss, {k: p[k] for k in sorted(p) if k[0] in "xgprs" or k == "noise_weight"})
        inner = ", ".join("%s = %s" % (k, show(digest(t))) for k, t in sorted(g.items()))
        print("        %s = { %.7g, %s }," % (name, float(loss), inner))
    print("      },")


# -------------------------------------------------------------------- modules


def rotated(t, base):
    """Pairs (2i, 2i + 1) turned by position / base^(2i/size), as complex numbers."""
    length, size = t.shape[-2], t.shape[-1]
    angle = torch.arange(length)[:, None] * base ** (-torch.arange(size // 2) * 2.0 / size)
    pairs = torch.view_as_complex(t.reshape(*t.shape[:-1], size // 2, 2).contiguous())
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(angle), angle)).reshape(t.shape)


def attention(p, heads, causal, base):
    b, length, dim = p["q"].shape
    q, k, v = (p[i].reshape(b, length, heads, dim // heads).transpose(1, 2) for i in "qkv")
    if base:
        q, k = rotated(q, base), rotated(k, base)
    z = q @ k.transpose(-1, -2) / math.sqrt(dim // heads)
    if causal:
        z = z.masked_fill(torch.ones(length, length).triu(1).bool(), -math.inf)
    return (F.softmax(z, -1) @ v).transpose(1, 2).reshape(b, length, dim)


def print_function(name, p, f):
    for t in p.values():
        t.requires_grad_()
    y = f(p)
    value = (y * draw(y.shape, 8)).sum()
    print("    %s = {" % name)
    print_tensors("values", {"y": y}, "      ")
    print_tensors("gradients", gradients(value, p), "      ")
    print("    },")


def rms_norm(p):
    x = p["x"]
    return x / (x.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * p["weight"]


def print_functions():
    x = lambda: 2 * draw((4, 5), 11)
    norm = lambda: {"x": x(), "weight": 1 + draw((5,), 12), "bias": draw((5,), 13)}
    print_function("layer_norm", norm(), lambda p: F.layer_norm(p["x"], (5,), p["weight"], p["bias"]))
    both = norm()
    del both["bias"]
    print_function("rms_norm", both, rms_norm)
    for name, shape, heads, causal, base in (
            ("attention", (2, 5, 6), 3, True, 0), ("attention_whole", (1, 4, 4), 1, False, 0),
            ("attention_rotary", (2, 6, 8), 2, True, 10000), ("attention_rotary_100", (1, 3, 4), 1, False, 100)):
        p = {c: 1.5 * draw(shape, 14 + i) for i, c in enumerate("qkv")}
        print_function(name, p, lambda p: attention(p, heads, causal, base))
    ids = torch.tensor([0, 4, 2, 2])
    for name, smoothing, ignore in (("cross_entropy", 0.0, -100), ("cross_entropy_smooth", 0.2, -100),
                                    ("cross_entropy_ignore", 0.1, 2)):
        print_function(name, {"x": x()}, lambda p: F.cross_entropy(
            p["x"], ids, label_smoothing=smoothing, ignore_index=ignore).reshape(1))
    y = draw((4, 5), 17)
    print_function("huber", {"x": x()}, lambda p: F.huber_loss(p["x"], y, delta=0.7).reshape(1))
    print_function("mse", {"x": x()}, lambda p: F.mse_loss(p["x"], y).reshape(1))
    print_function("bce_with_logits", {"x": x()}, lambda p: F.binary_cross_entropy_with_logits(
        p["x"], y.abs()).reshape(1))


print("-- luacheck: no max line length")
print("-- Made by bench/golden/layer.py with PyTorch %s: see there." % torch.__version__)
print("return {\n  layers = {")
for case in CASES:
    for shape in SHAPES:
        print_layer(case, shape)
print("  },\n  functions = {")
print_functions()
print("  },\n}")

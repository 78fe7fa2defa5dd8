"""Writes randn.json: what torch.manual_seed + torch.randn give on a CPU. Run: python randn.py"""
import json
import torch

cases = []
for seed in (0, 1, 42, 123456789, 4294967295, 4294967296 + 7):
    for n in (1, 5, 15, 16, 17, 37, 1024, 16384):
        torch.manual_seed(seed)
        x = torch.randn(n)
        cases.append({
            "seed": seed, "n": n,
            "head": [float(v) for v in x[:8]],
            "tail": [float(v) for v in x[-20:]],
            "sum": float(x.double().sum()),
            "squares": float((x.double() ** 2).sum()),
        })
with open("randn.json", "w") as f:
    json.dump({"torch": torch.__version__, "cases": cases}, f, indent=0)
    f.write("\n")

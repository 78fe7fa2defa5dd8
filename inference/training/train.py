# SPDX-License-Identifier: AGPL-3.0-or-later
"""Trains denoiser and text encoder: python train.py WORKDIR MINUTES -> WORKDIR/model.pt, WORKDIR/sheet.png.

Needs WORKDIR/{images.npy,items.json,vae.pt}; resumes from WORKDIR/model.pt. The latents of all
drawings are computed once, so a step is matrix products only. v-prediction on DDPM's linear
schedule, min-SNR weighting with gamma 5, a caption drawn anew for each use, dropped in one of ten.
A checkpoint is written every five minutes.
"""
import json
import math
import pathlib
import random
import sys
import time

import numpy as np
import torch

from data import learnt
from model import Denoiser, Encoder, TextEncoder
from tokens import Tokens, captions
from sheet import write_sheet

BATCH = 128
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def schedule():
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    return torch.cumprod(1 - betas, 0).float()


def main():
    work, minutes = pathlib.Path(sys.argv[1]), float(sys.argv[2])
    torch.manual_seed(int(time.time()))
    rng = random.Random()
    items = json.loads((work / "items.json").read_text())
    vae = torch.load(work / "vae.pt", map_location="cpu")
    cache = work / "latents.pt"
    if not cache.exists() or cache.stat().st_mtime < (work / "vae.pt").stat().st_mtime:
        enc = Encoder().eval()
        enc.load_state_dict(vae["enc"])
        images = torch.from_numpy(np.load(work / "images.npy")).permute(0, 3, 1, 2)
        with torch.no_grad():
            torch.save(torch.cat([enc(b.float() / 127.5 - 1).chunk(2, 1)[0] for b in images.split(32)]), cache)
    latents = torch.load(cache).to(DEVICE)

    tokens = Tokens.build(items)
    chosen = [i for i, item in enumerate(items) if learnt(item)]
    latents, items = latents[chosen], [items[i] for i in chosen]
    tokens.save(work / "tokenizer")
    # The networks run wholly in bfloat16; the optimizer keeps the weights in float32. On a CPU this is four
    # times as fast as autocast, which would convert every weight in every step.
    text, net = TextEncoder(len(tokens.vocab)), Denoiser()
    master = [p.detach().to(DEVICE).clone() for m in (text, net) for p in m.parameters()]
    text, net = text.to(DEVICE, torch.bfloat16), net.to(DEVICE, torch.bfloat16)
    params = [*text.parameters(), *net.parameters()]
    ema = [p.clone() for p in master]
    opt = torch.optim.AdamW(master, lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    step, spent = 0, 0.0
    state = work / "model.pt"
    if state.exists():
        saved = torch.load(state, map_location=DEVICE)
        opt.load_state_dict(saved["opt"])
        ema = [e.to(DEVICE) for e in saved["ema"]]
        for m, p, s in zip(master, params, saved["master"]):
            m.copy_(s)
            p.data.copy_(s)
        step, spent = saved["step"], saved["spent"]
    print(f"{sum(p.numel() for p in net.parameters()) / 1e6:.1f} M denoiser, "
          f"{sum(p.numel() for p in text.parameters()) / 1e6:.1f} M text, {len(tokens.vocab)} tokens, {len(items)} images", flush=True)

    abar = schedule().to(DEVICE)
    snr = abar / (1 - abar)
    weight = torch.clamp(snr, max=5.0) / (snr + 1)  # min-SNR for v-prediction

    def save():
        torch.save({"master": master, "opt": opt.state_dict(), "ema": ema, "step": step, "spent": spent + time.time() - start}, state.with_suffix(".new"))
        state.with_suffix(".new").rename(state)

    start = saved_at = mark = time.time()
    lost, shown = 0.0, 0
    while (gone := (time.time() - start) / 60 / minutes) < 1:
        fall = max(0.0, (gone - 0.5) / 0.5)  # flat for half of the time, then down a cosine
        lr = 7e-4 * min(1, (step + 1) / 300) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * fall)))
        for g in opt.param_groups:
            g["lr"] = lr
        pick = [rng.randrange(len(items)) for _ in range(BATCH)]
        ids = tokens.batch([captions(items[i], rng) if rng.random() > 0.1 else "" for i in pick]).to(DEVICE)
        x = latents[torch.tensor(pick, device=DEVICE)]
        # Low-discrepancy timesteps: every batch sees the whole schedule.
        t = ((torch.arange(BATCH, device=DEVICE) + torch.rand(BATCH, device=DEVICE)) / BATCH * 1000).long().clamp(0, 999)
        noise = torch.randn_like(x)
        a = abar[t].reshape(-1, 1, 1, 1)
        noisy, v = a.sqrt() * x + (1 - a).sqrt() * noise, a.sqrt() * noise - (1 - a).sqrt() * x
        out = net(noisy.bfloat16(), t, text(ids)).float()
        loss = (weight[t] * ((out - v) ** 2).mean((1, 2, 3))).mean() / weight.mean()
        loss.backward()
        for m, p in zip(master, params):
            m.grad, p.grad = p.grad.float(), None
        torch.nn.utils.clip_grad_norm_(master, 1.0)
        opt.step()
        with torch.no_grad():
            torch._foreach_copy_(params, master)
            torch._foreach_lerp_(ema, master, 1 - min(0.999, (step + 1) / (step + 10)))
        step += 1
        shown += 1
        lost += loss.item()
        if step % 50 == 0:
            rate = shown * BATCH / (time.time() - mark)
            print(f"{(time.time() - start) / 60:6.1f} min  step {step}  loss {lost / shown:.4f}  lr {lr:.1e}  "
                  f"{step * BATCH / len(items):.0f} passes  {rate:.0f} images/s", flush=True)
            lost, shown = 0.0, 0
            mark = time.time()
        if time.time() - saved_at > 150:
            save()
            write_sheet(work, text, net, ema, params, tokens, vae)
            saved_at = time.time()
    save()
    write_sheet(work, text, net, ema, params, tokens, vae)


if __name__ == "__main__":
    main()

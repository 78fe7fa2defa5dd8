# SPDX-License-Identifier: AGPL-3.0-or-later
"""The quality sheet: what the model really draws for 24 fixed prompts, six in a row."""
import pathlib

import numpy as np
import torch
from PIL import Image, ImageDraw

from model import LATENT, Decoder

PROMPTS = (
    "red apple", "dog face", "yellow star", "cat face", "pizza", "red heart",
    "rocket", "house", "sunflower", "blue fish", "banana", "grinning face",
    "hamburger", "penguin", "green apple", "soccer ball", "octopus", "birthday cake",
    "airplane", "ghost", "strawberry", "turtle", "smiling face with sunglasses", "tulip",
)


@torch.no_grad()
def sample(text, net, tokens, prompts, steps=20, guidance=3.0, seed=1):
    """DPM++ 2M on karras sigmas, as the pipeline does it. The Go pipeline is what counts."""
    device = next(net.parameters()).device
    abar = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
    sigmas_all = ((1 - abar) / abar).sqrt()
    lo, hi = sigmas_all[0] ** (1 / 7), sigmas_all[-1] ** (1 / 7)
    sigmas = torch.cat([(hi + torch.linspace(0, 1, steps, dtype=torch.float64) * (lo - hi)) ** 7, torch.zeros(1)]).float().to(device)
    logs = sigmas_all.log()
    cond = text(tokens.batch([*prompts, *[""] * len(prompts)]).to(device))
    gen = torch.Generator().manual_seed(seed)
    x = torch.randn(len(prompts), LATENT, 8, 8, generator=gen).to(device) * (sigmas[0] ** 2 + 1).sqrt()
    old = None
    for i in range(steps):
        s = sigmas[i]
        t = torch.tensor(float(np.interp(float(s.log()), logs.numpy(), np.arange(1000))), device=device)
        inp = torch.cat([x, x]) / (s ** 2 + 1).sqrt()
        good, bad = net(inp.to(cond.dtype), t.repeat(len(inp)), cond).float().chunk(2)
        v = bad + guidance * (good - bad)
        d = x / (s ** 2 + 1) - v * s / (s ** 2 + 1).sqrt()
        if sigmas[i + 1] == 0:
            x = d
            break
        h = (s / sigmas[i + 1]).log()
        step = d
        if old is not None:
            r = (sigmas[i - 1] / s).log() / h
            step = (1 + 1 / (2 * r)) * d - 1 / (2 * r) * old
        x = sigmas[i + 1] / s * x - torch.expm1(-h) * step
        old = d
    return x


@torch.no_grad()
def write_sheet(work: pathlib.Path, text, net, ema, params, tokens, vae):
    kept = [p.detach().clone() for p in params]
    for p, e in zip(params, ema):
        p.copy_(e)
    dec = Decoder().to(params[0].device).eval()
    dec.load_state_dict(vae["dec"])
    images = dec(sample(text, net, tokens, PROMPTS)).clamp(-1, 1)
    for p, k in zip(params, kept):
        p.copy_(k)
    pixels = ((images.permute(0, 2, 3, 1).cpu().numpy() + 1) * 127.5).astype(np.uint8)
    page = Image.new("RGB", (6 * 140, 4 * 156), "white")
    draw = ImageDraw.Draw(page)
    for i, (prompt, p) in enumerate(zip(PROMPTS, pixels)):
        x, y = i % 6 * 140, i // 6 * 156
        page.paste(Image.fromarray(p).resize((128, 128), Image.LANCZOS), (x + 6, y + 4))
        draw.text((x + 6, y + 136), prompt, fill="black")
    page.save(work / "sheet.png")

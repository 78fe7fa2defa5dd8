# SPDX-License-Identifier: AGPL-3.0-or-later
"""Trains the autoencoder: python train_vae.py WORKDIR MINUTES -> WORKDIR/vae.pt, WORKDIR/vae.png.

Resumes from WORKDIR/vae.pt when it is there. Loss: L1 at full, half and quarter size, L1 of
image gradients, a small pull of the latents towards N(0, 1). The decoder also sees latents with
noise added, since a denoiser never hands over perfect ones.
"""
import pathlib
import sys
import time

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from model import Decoder, Encoder

BATCH = 16
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def gradients(x):
    return x[..., 1:, :] - x[..., :-1, :], x[..., :, 1:] - x[..., :, :-1]


def distance(a, b):
    loss = (a - b).abs().mean()
    for ga, gb in zip(gradients(a), gradients(b)):
        loss = loss + 0.5 * (ga - gb).abs().mean()
    for k in (2, 4, 8):
        loss = loss + 0.5 * (F.avg_pool2d(a, k) - F.avg_pool2d(b, k)).abs().mean()
    return loss


def augment(x):
    """Random flip, channel mix and small shift: the autoencoder should know colours and edges, not drawings."""
    if torch.rand(()) < 0.5:
        x = x.flip(3)
    if torch.rand(()) < 0.1:
        x = x[:, torch.randperm(3)]
    dx, dy = torch.randint(-16, 17, (2,)).tolist()
    return torch.roll(x, (dy, dx), (2, 3))


def main():
    work, minutes = pathlib.Path(sys.argv[1]), float(sys.argv[2])
    torch.manual_seed(1)
    images = torch.from_numpy(np.load(work / "images.npy")).permute(0, 3, 1, 2)
    enc, dec = (m().to(DEVICE).to(memory_format=torch.channels_last) for m in (Encoder, Decoder))
    state = work / "vae.pt"
    if state.exists():
        saved = torch.load(state, map_location=DEVICE)
        enc.load_state_dict(saved["enc"]), dec.load_state_dict(saved["dec"])
        for m in (enc, dec):  # normalisation is applied at the end only
            m.mean.zero_(), m.std.fill_(1)
    params = [p for m in (enc, dec) for p in m.parameters()]
    opt = torch.optim.AdamW(params, lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-4)
    ema = [p.detach().clone() for p in params]
    start, step = time.time(), 0
    while (gone := (time.time() - start) / 60 / minutes) < 1:
        lr = 1.5e-3 * min(1, (step + 1) / 100) * (1 - gone) ** 0.7 + 1e-5
        for g in opt.param_groups:
            g["lr"] = lr
        x = images[torch.randint(len(images), (BATCH,))].to(DEVICE).float() / 127.5 - 1
        x = augment(x).contiguous(memory_format=torch.channels_last)
        with torch.autocast(DEVICE, torch.bfloat16):
            mean, logvar = enc(x).float().chunk(2, 1)
            noise = torch.exp(0.5 * logvar) + 0.1 * torch.rand(BATCH, 1, 1, 1, device=DEVICE)
            y = dec(mean + noise * torch.randn_like(mean)).float()
        kl = 0.5 * (mean ** 2 + logvar.exp() - 1 - logvar).mean()
        loss = distance(y, x) + 1e-4 * kl
        opt.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        opt.step()
        with torch.no_grad():
            torch._foreach_lerp_(ema, params, 1 - min(0.998, (step + 1) / (step + 10)))
        step += 1
        if step % 100 == 0:
            print(f"{(time.time() - start) / 60:6.1f} min  step {step}  loss {loss.item():.4f}  kl {kl.item():.2f}  "
                  f"{step * BATCH / (time.time() - start):.0f} images/s", flush=True)
    with torch.no_grad():
        for p, e in zip(params, ema):
            p.copy_(e)
        enc.eval(), dec.eval()
        x = images.float() / 127.5 - 1
        means = torch.cat([enc(b.to(DEVICE)).chunk(2, 1)[0] for b in x.split(32)])
        mean, std = means.mean((0, 2, 3), keepdim=True), means.std((0, 2, 3), keepdim=True)
        for m in (enc, dec):
            m.mean.copy_(mean), m.std.copy_(std)
        torch.save({"enc": enc.state_dict(), "dec": dec.state_dict()}, state)
        pick = x[:: max(1, len(x) // 12)][:12].to(DEVICE)
        back = dec(enc(pick).chunk(2, 1)[0])
        sheet = torch.cat([torch.cat(list(pick), 2), torch.cat(list(back), 2)], 1).clamp(-1, 1)
        Image.fromarray(((sheet.permute(1, 2, 0).cpu().numpy() + 1) * 127.5).astype(np.uint8)).save(work / "vae.png")


if __name__ == "__main__":
    main()

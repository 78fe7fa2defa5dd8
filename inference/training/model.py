# SPDX-License-Identifier: AGPL-3.0-or-later
"""The three networks of the built-in model: a miniature Stable Diffusion for 2 CPU cores.

Shapes (B = batch):
  autoencoder   [B, 3, 256, 256] in -1..1  <->  [B, 16, 8, 8], each channel near N(0, 1)
  text encoder  [B, 12] token ids           ->  [B, 12, 256]
  denoiser      latents, timestep, text     ->  v-prediction, same shape as the latents

The denoiser sits in the folder `unet` because that is the name of the slot in the layout
every pipeline reads; inside it is a transformer over 2x2 patches: 16 tokens. Matrix products
of that shape run near the limit of a CPU, small convolutions do not, and what a model this
small has to do is to remember drawings, which takes parameters more than resolution.
"""
import math

import torch
from torch import nn
from torch.nn import functional as F

LATENT = 16
TEXT_LENGTH = 12
TEXT_WIDTH = 256


class Res(nn.Module):
    def __init__(self, ch: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(8, ch), nn.SiLU(), nn.Conv2d(ch, ch, 3, padding=1),
            nn.GroupNorm(8, ch), nn.SiLU(), nn.Conv2d(ch, ch, 3, padding=1))

    def forward(self, x):
        return x + self.body(x)


class Encoder(nn.Module):
    """Pixels to the mean and log-variance of the latents."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.PixelUnshuffle(4), nn.Conv2d(48, 32, 3, padding=1), Res(32),
            nn.Conv2d(32, 64, 3, 2, 1), Res(64),
            nn.Conv2d(64, 128, 3, 2, 1), Res(128),
            nn.Conv2d(128, 256, 3, 2, 1), Res(256),
            nn.GroupNorm(8, 256), nn.SiLU(), nn.Conv2d(256, 2 * LATENT, 3, padding=1))
        self.register_buffer("mean", torch.zeros(1, LATENT, 1, 1))
        self.register_buffer("std", torch.ones(1, LATENT, 1, 1))

    def forward(self, x):
        mean, logvar = self.net(x).chunk(2, 1)
        logvar = logvar.clamp(-12, 4)
        return torch.cat([(mean - self.mean) / self.std, logvar - 2 * torch.log(self.std)], 1)


class Up(nn.Module):
    def __init__(self, a: int, b: int):
        super().__init__()
        self.conv = nn.Conv2d(a, b, 3, padding=1)

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Decoder(nn.Module):
    """Latents to pixels; the x4 upscaler is its last two steps."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(LATENT, 256, 3, padding=1), Res(256), Res(256),
            Up(256, 192), Res(192), Res(192),
            Up(192, 96), Res(96),
            Up(96, 48), Res(48),
            nn.GroupNorm(8, 48), nn.SiLU(), nn.Conv2d(48, 64, 3, padding=1), nn.PixelShuffle(2),
            nn.SiLU(), nn.Conv2d(16, 12, 3, padding=1), nn.PixelShuffle(2))
        self.register_buffer("mean", torch.zeros(1, LATENT, 1, 1))
        self.register_buffer("std", torch.ones(1, LATENT, 1, 1))

    def forward(self, z):
        return self.net(z * self.std + self.mean)


class Attention(nn.Module):
    """Multi-head attention written out, so that its export is plain matrix products."""

    def __init__(self, dim: int, heads: int, context: int | None = None):
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(context or dim, 2 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x, context=None):
        b, n, d = x.shape
        q = self.q(x).reshape(b, n, self.heads, -1).transpose(1, 2)
        kv = self.kv(x if context is None else context)
        k, v = kv.reshape(b, -1, 2, self.heads, d // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        w = torch.softmax(q @ k.transpose(-1, -2) * (d // self.heads) ** -0.5, -1)
        return self.out((w @ v).transpose(1, 2).reshape(b, n, d))


class TextEncoder(nn.Module):
    def __init__(self, vocab: int, layers: int = 2, heads: int = 4):
        super().__init__()
        d = TEXT_WIDTH
        self.token = nn.Embedding(vocab, d)
        self.place = nn.Parameter(torch.randn(TEXT_LENGTH, d) * 0.02)
        self.blocks = nn.ModuleList(nn.ModuleDict({
            "n1": nn.LayerNorm(d), "att": Attention(d, heads), "n2": nn.LayerNorm(d),
            "mlp": nn.Sequential(nn.Linear(d, 3 * d), nn.GELU("tanh"), nn.Linear(3 * d, d))}) for _ in range(layers))
        self.norm = nn.LayerNorm(d)

    def forward(self, input_ids):
        x = self.token(input_ids) + self.place
        for b in self.blocks:
            x = x + b["att"](b["n1"](x))
            x = x + b["mlp"](b["n2"](x))
        return self.norm(x)


def time_embedding(t, dim: int = 256):
    freqs = torch.exp(-math.log(10000.0) * torch.arange(dim // 2, device=t.device) / (dim // 2))
    angle = t.float().reshape(-1, 1) * freqs
    return torch.cat([torch.cos(angle), torch.sin(angle)], -1)


class Block(nn.Module):
    def __init__(self, d: int, heads: int, cross: bool):
        super().__init__()
        self.n1 = nn.LayerNorm(d, elementwise_affine=False)
        self.att = Attention(d, heads)
        self.cross = Attention(d, heads, TEXT_WIDTH) if cross else None
        self.nc = nn.LayerNorm(d) if cross else None
        self.n2 = nn.LayerNorm(d, elementwise_affine=False)
        self.mlp = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU("tanh"), nn.Linear(4 * d, d))
        self.mod = nn.Sequential(nn.Linear(d, 64), nn.Linear(64, 6 * d))  # of rank 64: a fourth of the weights
        nn.init.zeros_(self.mod[1].weight)
        nn.init.zeros_(self.mod[1].bias)

    def forward(self, x, c, text):
        s1, b1, g1, s2, b2, g2 = self.mod(c).unsqueeze(1).chunk(6, -1)
        x = x + g1 * self.att(self.n1(x) * (1 + s1) + b1)
        if self.cross is not None:
            x = x + self.cross(self.nc(x), text)
        return x + g2 * self.mlp(self.n2(x) * (1 + s2) + b2)


class Denoiser(nn.Module):
    def __init__(self, d: int = 320, layers: int = 8, heads: int = 5):
        super().__init__()
        self.inp = nn.Linear(4 * LATENT, d)
        self.place = nn.Parameter(torch.randn(16, d) * 0.02)
        self.time = nn.Sequential(nn.Linear(256, d), nn.SiLU(), nn.Linear(d, d))
        self.pool = nn.Linear(TEXT_WIDTH, 1)
        self.text = nn.Sequential(nn.Linear(TEXT_WIDTH, d), nn.SiLU(), nn.Linear(d, d))
        self.blocks = nn.ModuleList(Block(d, heads, i % 2 == 0) for i in range(layers))
        self.norm = nn.LayerNorm(d, elementwise_affine=False)
        self.mod = nn.Linear(d, 2 * d)
        self.outp = nn.Linear(d, 4 * LATENT)
        for p in (self.mod, self.outp):
            nn.init.zeros_(p.weight)
            nn.init.zeros_(p.bias)

    def forward(self, sample, timestep, encoder_hidden_states):
        b, c, h, w = sample.shape
        x = sample.reshape(b, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5).reshape(b, -1, 4 * c)
        x = self.inp(x) + self.place
        weight = torch.softmax(self.pool(encoder_hidden_states), 1)
        cond = F.silu(self.time(time_embedding(timestep).to(sample.dtype)) + self.text((weight * encoder_hidden_states).sum(1)))
        for block in self.blocks:
            x = block(x, cond, encoder_hidden_states)
        s, t = self.mod(cond).unsqueeze(1).chunk(2, -1)
        x = self.outp(self.norm(x) * (1 + s) + t)
        return x.reshape(b, h // 2, w // 2, c, 2, 2).permute(0, 3, 1, 4, 2, 5).reshape(b, c, h, w)

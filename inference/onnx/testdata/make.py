"""Writes three toy models in the Optimum layout, with random weights, and pictures drawn with the first.

  modern/  64-bit ids, a scalar 64-bit timestep, free batch and size, epsilon
  older/   32-bit ids, a float timestep in a row of one, a batch of exactly one, weights in a file of
           their own, one picture size, tokenizer.json only, v_prediction
  half/    16-bit floats in and out

reference_*.png come from the networks run by PyTorch and samplers written here, so that they check the
Go pipeline from the ids to the pixels. Needs torch, onnx, numpy and pillow. Run: python make.py
"""
import json
import math
import os
import shutil

import numpy as np
import onnx
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

TOKENIZER = "../../diffusion/testdata/tokenizer"
VOCAB, TOKENS, WIDTH = 737, 77, 8


class Text(nn.Module):
    def __init__(self):
        super().__init__()
        self.token = nn.Embedding(VOCAB, WIDTH)
        self.place = nn.Parameter(torch.randn(TOKENS, WIDTH))
        self.mix = nn.Linear(WIDTH, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, input_ids):
        x = self.token(input_ids.long()) + self.place[: input_ids.shape[1]]
        x = self.norm(x + self.mix(x))
        return x, x.mean(1)


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.enter = nn.Conv2d(4, 8, 3, padding=1)
        self.time = nn.Linear(8, 16)
        self.down = nn.Conv2d(8, 16, 3, 2, 1)
        self.q, self.k, self.v = nn.Linear(16, 16), nn.Linear(WIDTH, 16), nn.Linear(WIDTH, 16)
        self.up = nn.Conv2d(16, 8, 3, padding=1)
        self.leave = nn.Conv2d(8, 4, 3, padding=1)

    def forward(self, sample, timestep, encoder_hidden_states):
        kind = sample.dtype
        t = timestep.reshape(-1, 1).float() * torch.tensor([1.0, 0.1, 0.01, 0.001])
        emb = self.time(torch.cat([torch.sin(t), torch.cos(t)], 1).to(kind))
        x = self.enter(sample)
        y = self.down(x) + emb[:, :, None, None]
        b, c, h, w = y.shape
        q = self.q(y.flatten(2).transpose(1, 2))
        a = torch.softmax(q @ self.k(encoder_hidden_states).transpose(1, 2) / 4, -1)
        y = y + (a @ self.v(encoder_hidden_states)).transpose(1, 2).reshape(b, c, h, w)
        y = self.up(F.interpolate(torch.tanh(y), scale_factor=2.0, mode="nearest"))
        return self.leave(torch.tanh(x + y))


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(4, 8, 3, padding=1), nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, latent_sample):
        x = F.interpolate(torch.tanh(self.a(latent_sample)), scale_factor=8.0, mode="nearest")
        return torch.tanh(self.b(x))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 8, 8, 8)

    def forward(self, sample):
        return self.a(sample)


def export(model, args, path, inputs, output, axes):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    outputs = [output] if isinstance(output, str) else output
    torch.onnx.export(model, args, path, input_names=inputs, output_names=outputs, dynamic_axes=axes, opset_version=17, dynamo=False)


def config(folder, part, **values):
    os.makedirs(f"{folder}/{part}", exist_ok=True)
    name = "scheduler_config.json" if part == "scheduler" else "config.json"
    with open(f"{folder}/{part}/{name}", "w") as f:
        json.dump(values, f, indent=1)
        f.write("\n")


def build(folder, kind, ids, step, free, prediction):
    torch.manual_seed(11)
    text, unet, dec, enc = (m().eval() for m in (Text, UNet, Decoder, Encoder))
    shutil.rmtree(folder, ignore_errors=True)
    name = lambda *n: {i: s for i, s in enumerate(n) if s}
    axes = (lambda **k: k) if free else (lambda **k: None)
    export(text, (torch.zeros(1, TOKENS, dtype=ids),), f"{folder}/text_encoder/model.onnx", ["input_ids"],
           ["last_hidden_state", "pooler_output"], axes(input_ids=name("batch_size", "sequence_length"), last_hidden_state=name("batch_size", "sequence_length")))
    unet, dec, enc = unet.to(kind), dec.to(kind), enc.to(kind)
    batch = 2 if free else 1
    export(unet, (torch.zeros(batch, 4, 8, 8, dtype=kind), step, torch.zeros(batch, TOKENS, WIDTH, dtype=kind)),
           f"{folder}/unet/model.onnx", ["sample", "timestep", "encoder_hidden_states"], "out_sample",
           axes(sample=name("batch_size", "num_channels", "height", "width"), encoder_hidden_states=name("batch_size", "sequence_length"),
                out_sample=name("batch_size", "", "height", "width")))
    export(dec, (torch.zeros(1, 4, 8, 8, dtype=kind),), f"{folder}/vae_decoder/model.onnx", ["latent_sample"], "sample",
           axes(latent_sample=name("batch_size", "", "height", "width"), sample=name("batch_size", "", "height", "width")))
    export(enc, (torch.zeros(1, 3, 64, 64, dtype=kind),), f"{folder}/vae_encoder/model.onnx", ["sample"], "latent_parameters",
           axes(sample=name("batch_size", "", "height", "width"), latent_parameters=name("batch_size", "", "height", "width")))
    with open(f"{folder}/model_index.json", "w") as f:
        json.dump({"_class_name": "StableDiffusionPipeline"}, f)
        f.write("\n")
    config(folder, "unet", in_channels=4, sample_size=8, cross_attention_dim=WIDTH, block_out_channels=[8, 16])
    config(folder, "vae_decoder", latent_channels=4, block_out_channels=[8, 8, 8, 8], scaling_factor=0.18215)
    config(folder, "text_encoder", hidden_size=WIDTH, max_position_embeddings=TOKENS)
    config(folder, "scheduler", _class_name="DDIMScheduler", num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012,
           beta_schedule="scaled_linear", prediction_type=prediction)
    os.makedirs(f"{folder}/tokenizer", exist_ok=True)
    return text, unet, dec, enc


def tokenizer(folder):
    for n in ("vocab.json", "merges.txt", "special_tokens_map.json"):
        shutil.copy(f"{TOKENIZER}/{n}", f"{folder}/tokenizer/{n}")
    with open(f"{folder}/tokenizer/tokenizer_config.json", "w") as f:
        json.dump({"tokenizer_class": "CLIPTokenizer", "model_max_length": TOKENS, "pad_token": "!"}, f)
        f.write("\n")


def ids_of(text):
    with open(f"{TOKENIZER}/../tokens.json") as f:
        ids = next(c["ids"] for c in json.load(f) if c["text"] == text)
    return torch.tensor([ids + [0] * (TOKENS - len(ids))])


@torch.no_grad()
def draw(parts, method, steps, cfg, seed, height, width, source=None, denoise=1.0):
    """Draws "a red apple" against an empty negative prompt, with karras sigmas."""
    text, unet, dec, enc = parts
    both = torch.cat([text(ids_of(""))[0], text(ids_of("a red apple"))[0]])
    betas = torch.linspace(0.00085 ** 0.5, 0.012 ** 0.5, 1000, dtype=torch.float64) ** 2
    bar = torch.cumprod(1 - betas, 0)
    table = ((1 - bar) / bar).sqrt()
    total = int(steps / denoise)
    ramp = torch.linspace(0, 1, total, dtype=torch.float64)
    low, high = table[0] ** (1 / 7), table[-1] ** (1 / 7)
    sigmas = torch.cat([(high + ramp * (low - high)) ** 7, torch.zeros(1, dtype=torch.float64)])[-steps - 1:]
    torch.manual_seed(seed)
    x = torch.randn(1, 4, height // 8, width // 8)
    x = x * (math.sqrt(1 + sigmas[0] ** 2) if denoise == 1 else sigmas[0])
    if source is not None:
        x = x + enc(source)[:, :4] * 0.18215
    x = x.double()

    def model(x, sigma):
        t = (table.log() - sigma.log()).abs().argmin()
        out = unet(torch.cat([x, x]).float() / math.sqrt(sigma ** 2 + 1), t, both).double()
        return x - sigma * (out[:1] + cfg * (out[1:] - out[:1]))

    old, old_h = None, None
    for s, n in zip(sigmas[:-1], sigmas[1:]):
        d = model(x, s)
        if method == "euler" or n == 0:
            x = x + (x - d) / s * (n - s)
        else:
            h = s.log() - n.log()
            blend = d if old is None else (1 + h / (2 * old_h)) * d - h / (2 * old_h) * old
            x = (n / s) * x - torch.expm1(-h) * blend
            old, old_h = d, h
    img = dec(x.float() / 0.18215)[0]
    return ((img / 2 + 0.5).clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()


modern = build("modern", torch.float32, torch.int64, torch.tensor(1), True, "epsilon")
tokenizer("modern")
Image.fromarray(draw(modern, "euler", 6, 4.0, 1234, 64, 48)).save("reference_euler.png", optimize=True)
Image.fromarray(draw(modern, "dpmpp_2m", 6, 4.0, 5, 32, 64)).save("reference_dpmpp_2m.png", optimize=True)
ramp = torch.linspace(-1, 1, 64)
source = torch.stack([ramp.repeat(64, 1), ramp.repeat(64, 1).T, torch.zeros(64, 64)])[None]
pixels = ((source[0] / 2 + 0.5) * 255).round().byte()
Image.fromarray(pixels.permute(1, 2, 0).numpy()).save("source.png", optimize=True)
exact = pixels.float()[None] / 127.5 - 1
Image.fromarray(draw(modern, "euler", 4, 2.0, 9, 64, 64, exact, 0.5)).save("reference_img2img.png", optimize=True)

build("older", torch.float32, torch.int32, torch.tensor([1.0]), False, "v_prediction")
with open(f"{TOKENIZER}/tokenizer.json") as f:
    full = json.load(f)
full["truncation"]["max_length"] = TOKENS
full["padding"]["strategy"]["Fixed"] = TOKENS
with open("older/tokenizer/tokenizer.json", "w") as f:
    json.dump(full, f, ensure_ascii=False)
with open("older/stablemate.json", "w") as f:
    json.dump({"name": "toy", "description": "Random colours, for tests.", "licence": "AGPL-3.0-or-later", "baseline": "stable diffusion 1",
               "fixed_size": 64, "default_steps": 4, "default_cfg": 3, "nsfw": False}, f, indent=1)
    f.write("\n")
graph = onnx.load("older/unet/model.onnx")
os.remove("older/unet/model.onnx")
onnx.save(graph, "older/unet/model.onnx", save_as_external_data=True, location="model.onnx_data", size_threshold=64)

os.chmod("older/unet/model.onnx_data", 0o644)

build("half", torch.float16, torch.int64, torch.tensor([1.0], dtype=torch.float16), True, "epsilon")
tokenizer("half")

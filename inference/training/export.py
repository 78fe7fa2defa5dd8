# SPDX-License-Identifier: AGPL-3.0-or-later
"""Writes the trained model as a folder in the Optimum layout: python export.py WORKDIR FOLDER.

Weights are stored as int8 with one scale per output channel and a Cast and a Mul in front of each use;
ONNX Runtime folds these when it opens the file, so the speed is that of float32 at a quarter of the size.
"""
import json
import pathlib
import shutil
import sys

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from model import LATENT, TEXT_LENGTH, TEXT_WIDTH, Decoder, Denoiser, TextEncoder

NAME = "stablemate-mini"


def to_onnx(path: pathlib.Path, net, args, inputs, outputs, axes):
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(net, args, str(path), input_names=inputs, output_names=outputs, dynamic_axes=axes,
                      opset_version=17, dynamo=False, do_constant_folding=True)
    shrink(path)


def shrink(path: pathlib.Path):
    """Stores every large weight as int8."""
    model = onnx.load(str(path))
    graph = model.graph
    use = {i: n for n in graph.node for i in n.input}
    added, kept = [], []
    for init in graph.initializer:
        w = numpy_helper.to_array(init)
        node = use.get(init.name)
        if w.dtype != np.float32 or w.size < 2048 or node is None:
            kept.append(init)
            continue
        axis = 1 if node.op_type == "MatMul" and node.input[1] == init.name else 0
        rest = tuple(i for i in range(w.ndim) if i != axis)
        scale = np.abs(w).max(axis=rest, keepdims=True) / 127
        scale[scale == 0] = 1
        q = np.clip(np.round(w / scale), -127, 127).astype(np.int8)
        kept += [numpy_helper.from_array(q, init.name + "_q"),
                 numpy_helper.from_array(scale.astype(np.float32), init.name + "_s")]
        added += [helper.make_node("Cast", [init.name + "_q"], [init.name + "_f"], to=TensorProto.FLOAT),
                  helper.make_node("Mul", [init.name + "_f", init.name + "_s"], [init.name])]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    nodes = [*added, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def write(path: pathlib.Path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n")


def main():
    work, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    vae = torch.load(work / "vae.pt", map_location="cpu")
    saved = torch.load(work / "model.pt", map_location="cpu")
    vocab = len(json.loads((work / "tokenizer" / "vocab.json").read_text()))
    text, net, dec = TextEncoder(vocab).eval(), Denoiser().eval(), Decoder().eval()
    dec.load_state_dict(vae["dec"])
    with torch.no_grad():
        for p, e in zip([*text.parameters(), *net.parameters()], saved["ema"]):
            p.copy_(e)
    out.mkdir(parents=True, exist_ok=True)
    to_onnx(out / "text_encoder" / "model.onnx", text, (torch.zeros(2, TEXT_LENGTH, dtype=torch.int64),),
            ["input_ids"], ["last_hidden_state"], {"input_ids": {0: "batch"}, "last_hidden_state": {0: "batch"}})
    to_onnx(out / "unet" / "model.onnx", net,
            (torch.zeros(2, LATENT, 8, 8), torch.tensor(500.0), torch.zeros(2, TEXT_LENGTH, TEXT_WIDTH)),
            ["sample", "timestep", "encoder_hidden_states"], ["out_sample"],
            {"sample": {0: "batch"}, "encoder_hidden_states": {0: "batch"}, "out_sample": {0: "batch"}})
    to_onnx(out / "vae_decoder" / "model.onnx", dec, (torch.zeros(1, LATENT, 8, 8),), ["latent_sample"], ["sample"],
            {"latent_sample": {0: "batch"}, "sample": {0: "batch"}})
    write(out / "model_index.json", {
        "_class_name": "StableDiffusionPipeline", "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"], "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"], "scheduler": ["diffusers", "DDPMScheduler"]})
    write(out / "scheduler" / "scheduler_config.json", {
        "_class_name": "DDPMScheduler", "num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02,
        "beta_schedule": "linear", "prediction_type": "v_prediction", "timestep_spacing": "linspace", "clip_sample": False})
    write(out / "text_encoder" / "config.json", {"hidden_size": TEXT_WIDTH, "max_position_embeddings": TEXT_LENGTH, "vocab_size": vocab})
    write(out / "unet" / "config.json", {"in_channels": LATENT, "out_channels": LATENT, "sample_size": 8, "cross_attention_dim": TEXT_WIDTH})
    write(out / "vae_decoder" / "config.json", {
        "block_out_channels": [16, 16, 48, 96, 192, 256], "latent_channels": LATENT, "scaling_factor": 1.0, "sample_size": 256})
    shutil.copytree(work / "tokenizer", out / "tokenizer", dirs_exist_ok=True)
    write(out / "stablemate.json", {
        "name": NAME, "fixed_size": 256, "baseline": "stable diffusion 1", "nsfw": False, "default_steps": 20, "default_cfg": 3.0,
        "licence": "AGPL-3.0-or-later; learnt from Noto Emoji (Apache-2.0) and Fluent Emoji (MIT)",
        "description": "A miniature Stable Diffusion that draws about 640 emoji-like things, at 256 pixels, on a CPU."})
    size = sum(f.stat().st_size for f in out.rglob("*") if f.is_file())
    print(f"{size / 1e6:.1f} MB in {out}, after {saved['step']} steps and {saved['spent'] / 60:.0f} minutes")


if __name__ == "__main__":
    main()

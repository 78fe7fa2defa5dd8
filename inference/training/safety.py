# SPDX-License-Identifier: AGPL-3.0-or-later
"""Builds the safety classifier: nsfwjs's MobileNetV2-mid as one ONNX file.

    npm pack nsfwjs@4.4.0 && tar xzf nsfwjs-4.4.0.tgz
    python safety.py package ../models/safety-nsfw

The network, its weights and its classes are nsfwjs's own (MIT). Only the form changes: the TensorFlow.js graph becomes
ONNX, and the 8-bit weights stay 8-bit in the file, with a Cast, a Mul and an Add in front of each use that the runtime
folds when it loads the model. Needs Python with numpy and onnx, and node, which comes with npm.
"""

import argparse
import base64
import hashlib
import json
import math
import pathlib
import shutil
import subprocess

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MODEL = "dist/models/mobilenet_v2_mid"
CLASSES = ["Drawing", "Hentai", "Neutral", "Porn", "Sexy"]
SIDE = 224

# The package keeps the model as JavaScript modules; node turns them into JSON.
DUMP = """
const fs = require('fs'), vm = require('vm'), dir = process.argv[1]
const load = name => {
  const module = {exports: {}}
  vm.runInNewContext(fs.readFileSync(dir + '/' + name + '.min.js', 'utf8'), {module, exports: module.exports})
  return module.exports
}
const model = load('model')
const shards = model.weightsManifest.flatMap(g => g.paths).map((_, i, all) => load(`group1-shard${i + 1}of${all.length}`))
process.stdout.write(JSON.stringify({model, shards}))
"""


def read(package):
    """Returns the graph's nodes and, by name, each weight as (uint8 array, scale, min)."""
    done = subprocess.run(["node", "-e", DUMP, str(package / MODEL)], check=True, capture_output=True)
    dump = json.loads(done.stdout)
    raw = b"".join(base64.b64decode(s) for s in dump["shards"])
    weights, at = {}, 0
    for group in dump["model"]["weightsManifest"]:
        for w in group["weights"]:
            q = w["quantization"]
            assert w["dtype"] == "float32" and q["dtype"] == "uint8", w
            n = math.prod(w["shape"])
            weights[w["name"]] = (np.frombuffer(raw, np.uint8, n, at).reshape(w["shape"]), q["scale"], q["min"])
            at += n
    assert at == len(raw), f"{len(raw)} bytes of weights, {at} used"
    return dump["model"]["modelTopology"]["node"], weights


class Graph:
    """Collects ONNX nodes; names are short, as nobody reads the original ones."""

    def __init__(self, weights):
        self.weights, self.nodes, self.constants, self.count = weights, [], [], 0

    def op(self, kind, inputs, **attributes):
        self.count += 1
        out = f"{kind.lower()}_{self.count}"
        self.nodes.append(helper.make_node(kind, inputs, [out], **attributes))
        return out

    def constant(self, array):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def weight(self, name, order=None, shape=None):
        """A weight of the original in another order of axes, still 8-bit in the file."""
        q, scale, low = self.weights[name]
        if order:
            q = q.transpose(order)
        if shape:
            q = q.reshape(shape)
        if q.size <= 64:  # not worth three nodes
            return self.constant(q.astype(np.float32) * np.float32(scale) + np.float32(low))
        f = self.op("Cast", [self.constant(q)], to=TensorProto.FLOAT)
        f = self.op("Mul", [f, self.constant(np.float32(scale))])
        return self.op("Add", [f, self.constant(np.float32(low))])


def text(node, name):
    return base64.b64decode(node["attr"][name]["s"]).decode()


def convert(nodes, weights):
    g = Graph(weights)
    value = {}  # name in the original → name here; pictures are NHWC there and NCHW here
    source = {n["name"]: n["input"][0] for n in nodes if n["op"] == "Identity"}
    for n in nodes:
        kind, name, inputs = n["op"], n["name"], n.get("input", [])
        if kind == "Placeholder":
            value[name] = g.op("Transpose", ["input"], perm=[0, 3, 1, 2])
        elif kind in ("Mul", "Sub"):  # the preparation of the pixels
            value[name] = g.op(kind, [value[i] if i in value else g.weight(i) for i in inputs])
        elif kind in ("_FusedConv2D", "FusedDepthwiseConv2dNative"):
            fused = [base64.b64decode(s).decode() for s in n["attr"]["fused_ops"]["list"]["s"]]
            assert fused[0] == "BiasAdd" and fused[1:] in ([], ["Relu6"]), fused
            assert text(n, "padding") == "SAME" and set(n["attr"]["dilations"]["list"]["i"]) == {"1"}
            strides = [int(s) for s in n["attr"]["strides"]["list"]["i"]][1:3]
            h, w, c, k = weights[inputs[1]][0].shape
            if kind == "_FusedConv2D":  # HWIO → OIHW
                kernel, group = g.weight(inputs[1], (3, 2, 0, 1)), 1
            else:  # HWCM → (C·M)1HW
                kernel, group = g.weight(inputs[1], (2, 3, 0, 1), (c * k, 1, h, w)), c
            out = g.op("Conv", [value[inputs[0]], kernel, g.weight(inputs[2])],
                       auto_pad="SAME_UPPER", strides=strides, kernel_shape=[h, w], group=group)
            if len(fused) == 2:
                out = g.op("Clip", [out, g.constant(np.float32(0)), g.constant(np.float32(6))])
            value[name] = out
        elif kind == "AddV2":
            value[name] = g.op("Add", [value[i] for i in inputs])
        elif kind == "AvgPool":
            assert n["attr"]["ksize"]["list"]["i"] == ["1", "7", "7", "1"] and text(n, "padding") == "VALID"
            value[name] = g.op("AveragePool", [value[inputs[0]]], kernel_shape=[7, 7])
        elif kind == "Squeeze":
            value[name] = g.op("Flatten", [value[inputs[0]]])
        elif kind == "_FusedMatMul":
            value[name] = g.op("Gemm", [value[inputs[0]], g.weight(inputs[1]), g.weight(inputs[2])])
        elif kind == "Softmax":
            value[name] = g.op("Softmax", [value[inputs[0]]], axis=1)
        elif kind not in ("Const", "Identity"):
            raise SystemExit(f"unknown operation {kind}")
    g.nodes.append(helper.make_node("Identity", [value[source["Identity"]]], ["probabilities"]))
    graph = helper.make_graph(
        g.nodes, "safety",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", len(CLASSES)])], g.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7, producer_name="stablemate")
    onnx.checker.check_model(model, full_check=True)
    return model


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("package", type=pathlib.Path, help="folder of the unpacked npm package")
    a.add_argument("out", type=pathlib.Path, help="folder for model.onnx and LICENSE")
    a = a.parse_args()
    model = convert(*read(a.package))
    a.out.mkdir(parents=True, exist_ok=True)
    data = model.SerializeToString(deterministic=True)
    (a.out / "model.onnx").write_bytes(data)
    shutil.copyfile(a.package / "LICENSE", a.out / "LICENSE")
    print(f"model.onnx: {len(data):,} bytes, sha256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()

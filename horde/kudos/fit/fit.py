# SPDX-License-Identifier: AGPL-3.0-or-later
"""Fits the image price to the horde's published prices. Needs Python's standard library and gofmt.

    python fit.py        ../testdata/published.json  ->  ../table.go

The basis is a surface over the side of a square of the image's area and the steps, linear between the
published sizes and step counts. Its knots are the published prices, moved as little as possible
(least squares of the relative change) until the surface is sane:

    no step is free, and none costs less on a larger image;
    the price rises with the side, and from one size to the next its slope falls by a fifth at most.

These make it rise with size and steps everywhere, also between and beyond the knots. All else is a
number per name, solved so that the published price of that name comes out: a sampler counts as so many
plain steps, post-processors and settings are factors, a ControlNet is an amount. Where two or more
prices bear on one number, the largest relative error is made smallest.
"""
import json
import math
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROWS = json.loads((HERE.parent / "testdata" / "published.json").read_text())
LEGACY_POST = 1.2  # of every post-processor without a published price
FALL = 0.2  # of the slope over the side, from one size to the next


def group(name):
    return [(row["job"], row["price"]) for row in ROWS if row["group"] == name]


# The basis: rows are sides, columns are steps.
BASIS = {(math.sqrt(j["width"] * j["height"]), j["steps"]): p for j, p in group("basis")}
SIDES = sorted({side for side, _ in BASIS})
STEPS = sorted({steps for _, steps in BASIS})
ASKED = [BASIS[side, steps] for side in SIDES for steps in STEPS]


def knot(i, j):
    return i * len(STEPS) + j


def constraints():
    """Each is {knot: weight}, and the weighted sum of the knots must be at least a small positive number."""
    least = 1e-3
    for i in range(len(SIDES)):
        for j in range(len(STEPS)):
            if j > 0:
                dj = STEPS[j] - STEPS[j - 1]
                step = {knot(i, j): 1 / dj, knot(i, j - 1): -1 / dj}
                if i == 0:
                    yield step, least
                else:
                    below = {knot(i - 1, j): -1 / dj, knot(i - 1, j - 1): 1 / dj}
                    yield step | below, least
            if i == 1:
                yield {knot(i, j): 1.0, knot(i - 1, j): -1.0}, least
            if i > 1:
                a, b = SIDES[i - 1] - SIDES[i - 2], SIDES[i] - SIDES[i - 1]
                keep = (1 - FALL) / a
                yield {knot(i, j): 1 / b, knot(i - 1, j): -1 / b - keep, knot(i - 2, j): keep}, 0.0


def sane(asked, sweeps=20000):
    """The nearest knots that keep the constraints, by Hildreth's method: corrections in turn, taken back in part."""
    x = list(asked)
    weight = [p * p for p in asked]  # inverse of the least squares weights: changes count relative to the price
    rules = []
    for rule, least in constraints():
        norm = sum(c * c * weight[k] for k, c in rule.items())
        rules.append((list(rule.items()), least, norm))
    pull = [0.0] * len(rules)
    for _ in range(sweeps):
        moved = 0.0
        for r, (rule, least, norm) in enumerate(rules):
            lack = (least - sum(c * x[k] for k, c in rule)) / norm
            push = max(-pull[r], lack)
            if push:
                pull[r] += push
                for k, c in rule:
                    d = push * c * weight[k]
                    x[k] += d
                    moved = max(moved, abs(d) / asked[k])
        if moved < 1e-9:
            break
    return x


KNOTS = [round(x, 3) for x in sane(ASKED)]


def between(values, x):
    """The two neighbours of x and the weight of the second; outside, the end pieces go on."""
    i = 1
    while i < len(values) - 1 and x > values[i]:
        i += 1
    return i - 1, i, (x - values[i - 1]) / (values[i] - values[i - 1])


def basis(side, steps):
    a, b, u = between(SIDES, side)
    c, d, v = between(STEPS, steps)
    low = KNOTS[knot(a, c)] * (1 - v) + KNOTS[knot(a, d)] * v
    high = KNOTS[knot(b, c)] * (1 - v) + KNOTS[knot(b, d)] * v
    return low * (1 - u) + high * u


def plain(job, multiple=1.0):
    return basis(math.sqrt(job["width"] * job["height"]), job["steps"] * multiple)


def best(prices, model, low, high):
    """The number between low and high for which the largest relative error of model(job, number) is smallest."""
    def worst(number):
        return max(abs(model(job, number) / price - 1) for job, price in prices)
    for _ in range(200):  # ternary search: worst has one valley
        a, b = low + (high - low) / 3, high - (high - low) / 3
        if worst(a) < worst(b):
            high = b
        else:
            low = a
    return round((low + high) / 2, 4)


golden = group("golden")

samplers = {"k_euler_a": 1.0}
for job, price in group("sampler"):
    name = job["sampler"]
    known = [(job, price)] + [(j, p) for j, p in golden if j["sampler"] == name and "post" not in j and "control" not in j]
    if name not in samplers:
        samplers[name] = best(known, plain, 0.2, 5)

posts = {job["post"][0]: best([(job, price)], lambda j, f: plain(j) * f, 0.1, 10) for job, price in group("post")}

pair = [(j, p) for j, p in golden if "post" in j]
crowd = best(pair, lambda j, c: plain(j, samplers[j["sampler"]]) * math.prod(posts[n] for n in j["post"]) * (1 + c), 0, 5)

controls = {}
for job, price in group("control"):
    name = job["control"]
    known = [(job, price)] + [(j, p) for j, p in golden if j.get("control") == name]
    controls[name] = best(known, lambda j, a: plain(j, samplers[j["sampler"]]) + a, -10, 30)

denoising = [(j["denoising"], best([(j, p)], lambda j, f: plain(j) * f, 0.1, 10)) for j, p in group("denoising")]

painting = {}
full = denoising[-1][1]
for job, price in group("painting"):
    name = "mask" if job.get("mask") else job["processing"]
    already = painting[job["processing"]] if name == "mask" else 1
    painting[name] = best([(job, price)], lambda j, f: plain(j) * full * already * f, 0.1, 10)

hires = best(group("hires"), lambda j, f: plain(j) * f, 0.1, 10)
straight = best(group("karras"), lambda j, f: plain(j) * f, 0.1, 10)


def number(x):
    return f"{x:.10g}"


def switch(values, known="", other=""):
    lines = ["\tswitch name {"]
    for name, value in values.items():
        lines += [f'\tcase "{name}":', f"\t\treturn {number(value)}{known}"]
    return "\n".join(lines + ["\t}", f"\treturn {other}"])


def row(values):
    return ", ".join(number(v) for v in values)


table = "\n".join(
    f"\t{{{row(KNOTS[knot(i, 0):knot(i + 1, 0)])}}}," for i in range(len(SIDES)))

TABLE = HERE.parent / "table.go"
TABLE.write_text(f"""// SPDX-License-Identifier: AGPL-3.0-or-later

// Code generated by fit/fit.py from testdata/published.json; DO NOT EDIT.

package kudos

// priceSteps and priceSides are the published step counts, and the sides in pixels of squares as large
// as the published sizes.
var (
	priceSteps = [...]float64{{{row(STEPS)}}} //nolint:gochecknoglobals // a constant table
	priceSides = [...]float64{{{row(SIDES)}}} //nolint:gochecknoglobals // a constant table
)

// priceKnots is the price of a plain image: a row for each of priceSides, a column for each of priceSteps.
var priceKnots = [len(priceSides)][len(priceSteps)]float64{{ //nolint:gochecknoglobals // a constant table
{table}
}}

// priceDenoising is the factor of image to image at a denoising strength.
var priceDenoising = [...]struct{{ strength, factor float64 }}{{ //nolint:gochecknoglobals // a constant table
	{", ".join(f"{{{number(d)}, {number(f)}}}" for d, f in denoising)},
}}

const (
	priceInpainting  = {number(painting["inpainting"])} // over image to image
	priceOutpainting = {number(painting["outpainting"])} // over image to image
	priceMask        = {number(painting["mask"])}
	priceHires       = {number(hires)}
	priceNoKarras    = {number(straight)}
	priceCrowd       = {number(crowd)} // more for each post-processor after the first
)

// samplerSteps is how many plain steps one of the sampler's counts as. Names without a price count as k_euler.
func samplerSteps(name string) float64 {{
{switch(samplers, other=number(samplers["k_euler"]))}
}}

// postFactor is what a post-processor multiplies the price by; those without a published price by the old rule.
func postFactor(name string) float64 {{
{switch(posts, other=number(LEGACY_POST))}
}}

// controlAmount is what a ControlNet adds to the price, and whether it has a price of its own.
func controlAmount(name string) (kudos float64, known bool) {{
{switch(controls, ", true", "0, false")}
}}
""")

subprocess.run(["gofmt", "-w", str(TABLE)], check=True)

changes = sorted((abs(x / p - 1), p) for x, p in zip(KNOTS, ASKED))
print(f"basis: largest change {changes[-1][0]:.2%} at {changes[-1][1]}, mean {sum(c for c, _ in changes) / len(changes):.2%}")
print("samplers", samplers)
print("posts", posts, "crowd", crowd)
print("controls", controls)
print("denoising", denoising, "painting", painting, "hires", hires, "no karras", straight)

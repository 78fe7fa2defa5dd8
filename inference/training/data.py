# SPDX-License-Identifier: AGPL-3.0-or-later
"""Builds the training set of the built-in model from permissively licensed emoji.

Artwork: Noto Emoji (Apache-2.0, Google) and Fluent Emoji Flat (MIT, Microsoft).
Captions: emojibase-data (MIT) and emojilib (MIT).
The four npm packages are fetched by name with `npm pack`; the drawings are rendered
with librsvg's rsvg-convert, in a child process each, on a white square.

    python data.py WORKDIR        ->  WORKDIR/images.npy  uint8 [N, 256, 256, 3]
                                      WORKDIR/items.json  one entry per image
"""
import colorsys
import io
import json
import pathlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

SIZE = 256
PADDING = 12  # pixels of white around the drawing
PACKAGES = {
    "noto": "@iconify-json/noto@1.2.9",
    "flat": "@iconify-json/fluent-emoji-flat@1.2.6",
    "base": "emojibase-data@17.0.0",
    "tags": "emojilib@4.0.3",
}
STYLES = ("noto", "flat")

# Subgroups of emojibase worth drawing: things a person would ask for by name. Left out: people (a dozen
# variants each), clocks, signs, letters, keycaps, flags.
SUBGROUPS = (
    set(range(0, 15))      # faces, cats, monkeys, hearts
    | set(range(34, 48))   # animals, plants, food, drinks
    | {50, 51, 53, 54, 55, 56, 59, 60, 61, 62, 63, 64}
    | {65, 67, 68, 70, 71, 72, 75, 77, 78, 79, 96}
)
# The autoencoder learns from all of them; the denoiser only what its budget on a CPU lets it remember well.
LEARNT = set(range(0, 15)) | set(range(34, 48)) | {54, 55, 56, 59, 60, 62, 68}
LEARNT_TOO = {"house", "castle", "tent", "hut", "mountain", "volcano", "crown", "key", "light bulb", "book", "guitar", "trophy",
              "red circle", "blue circle", "green circle", "yellow circle", "red square", "blue square", "green square",
              "gem stone", "top hat", "glasses", "sunglasses", "hammer", "pencil", "teddy bear", "crystal ball", "kite"}


def learnt(item: dict) -> bool:
    return item["subgroup"] in LEARNT or item["label"] in LEARNT_TOO


SKIP = {"pile of poo", "face vomiting", "kiss mark", "middle finger", "dotted line face", "hole",
        "love hotel", "Japanese post office", "map of Japan"}

HUES = (("red", 0), ("orange", 28), ("yellow", 52), ("green", 125), ("blue", 215), ("purple", 275), ("pink", 330))


def fetch(work: pathlib.Path, package: str) -> pathlib.Path:
    """Unpacks one npm package under work/npm and returns its folder."""
    into = work / "npm" / package.replace("/", "_")
    if not into.exists():
        into.parent.mkdir(parents=True, exist_ok=True)
        name = subprocess.run(["npm", "pack", "--silent", package], cwd=into.parent, check=True,
                              capture_output=True, text=True).stdout.split()[-1]
        into.mkdir()
        subprocess.run(["tar", "xzf", str(into.parent / name), "-C", str(into), "--strip-components=1"], check=True)
    return into


def render(body: str, box: int) -> np.ndarray | None:
    """One icon body as RGB on white, or None where librsvg draws nothing."""
    svg = (f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
           f'viewBox="0 0 {box} {box}">{body}</svg>')
    side = SIZE - 2 * PADDING
    done = subprocess.run(["rsvg-convert", "-w", str(side), "-h", str(side)], input=svg.encode(), capture_output=True)
    if done.returncode != 0 or not done.stdout:
        return None
    icon = Image.open(io.BytesIO(done.stdout)).convert("RGBA")
    if np.asarray(icon)[..., 3].max() == 0:
        return None
    page = Image.new("RGB", (SIZE, SIZE), "white")
    page.paste(icon, (PADDING, PADDING), icon)
    return np.asarray(page)


def colour_of(image: np.ndarray) -> str | None:
    """The colour word a person would use, or None for grey or many-coloured drawings."""
    small = np.asarray(Image.fromarray(image).resize((48, 48), Image.BOX)).reshape(-1, 3) / 255.0
    hsv = np.array([colorsys.rgb_to_hsv(*p) for p in small])
    ink = (small.min(1) < 0.93)
    vivid = ink & (hsv[:, 1] > 0.35) & (hsv[:, 2] > 0.3)
    if ink.sum() < 60 or vivid.sum() < 0.45 * ink.sum():
        return None
    votes = {}
    for hue, sat in zip(hsv[vivid, 0] * 360, hsv[vivid, 1]):
        word = min(HUES, key=lambda h: min(abs(hue - h[1]), 360 - abs(hue - h[1])))[0]
        votes[word] = votes.get(word, 0) + sat
    word, weight = max(votes.items(), key=lambda v: v[1])
    return word if weight > 0.6 * sum(votes.values()) else None


def main() -> None:
    work = pathlib.Path(sys.argv[1])
    work.mkdir(parents=True, exist_ok=True)
    folder = {k: fetch(work, p) for k, p in PACKAGES.items()}
    base = json.loads((folder["base"] / "en" / "data.json").read_text())
    tags = json.loads((folder["tags"] / "dist" / "emoji-en-US.json").read_text())
    icons = {s: json.loads((folder[s] / "icons.json").read_text()) for s in STYLES}
    chars = {s: json.loads((folder[s] / "chars.json").read_text()) for s in STYLES}

    wanted = []
    for entry in base:
        label = entry["label"]
        if entry.get("subgroup") not in SUBGROUPS or label in SKIP:
            continue
        code = entry["hexcode"].lower()
        words = [w.replace("_", " ") for w in tags.get(entry["emoji"], [])] + list(entry.get("tags") or [])
        words = sorted({w.lower() for w in words if w.isascii() and 2 < len(w) < 24} - {label.lower()})
        for style in STYLES:
            name = chars[style].get(code) or chars[style].get(code.replace("-fe0f", ""))
            icon = icons[style]["icons"].get(name) if name else None
            if icon:
                box = icon.get("width", icons[style].get("width", 16))
                wanted.append((label.lower().replace("’", "'"), style, words, entry["subgroup"], icon["body"], box))

    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(lambda w: render(w[4], w[5]), wanted))
    images, items = [], []
    for (label, style, words, subgroup, _, _), image in zip(wanted, drawn):
        if image is None:
            continue
        images.append(image)
        items.append({"label": label, "style": style, "words": words, "subgroup": subgroup, "colour": colour_of(image)})
    np.save(work / "images.npy", np.stack(images))
    (work / "items.json").write_text(json.dumps(items, indent=0))
    print(f"{len(images)} images of {len({i['label'] for i in items})} concepts")


if __name__ == "__main__":
    main()

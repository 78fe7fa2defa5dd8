# SPDX-License-Identifier: AGPL-3.0-or-later
"""Captions and their tokens: a byte-pair encoding in CLIP's file layout, learnt from the captions."""
import collections
import json
import pathlib
import random
import re

import torch

from model import TEXT_LENGTH

START, END = "<|startoftext|>", "<|endoftext|>"
MERGES = 4200
WORDS = re.compile(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|[^\s\w]+|_+", re.IGNORECASE)


def byte_runes() -> dict[int, str]:
    """GPT-2's table from bytes to printable characters."""
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table, extra = {b: chr(b) for b in keep}, 0
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + extra)
            extra += 1
    return table


RUNES = byte_runes()


def words_of(text: str) -> list[str]:
    return ["".join(RUNES[b] for b in w.encode()) for w in WORDS.findall(" ".join(text.lower().split()))]


class Tokens:
    def __init__(self, merges: list[tuple[str, str]]):
        self.merges = merges
        self.rank = {m: i for i, m in enumerate(merges)}
        runes = [RUNES[b] for b in sorted(RUNES)]
        names = runes + [r + "</w>" for r in runes] + ["".join(m) for m in merges] + [START, END]
        self.vocab = {n: i for i, n in enumerate(names)}
        self.memo: dict[str, list[int]] = {}

    @classmethod
    def build(cls, items: list[dict]) -> "Tokens":
        """Learns merges until the corpus has none left or MERGES is reached. Labels count most."""
        count: collections.Counter[str] = collections.Counter()
        for item in items:
            for w in words_of(item["label"]):
                count[w] += 20
            for phrase in [*item["words"], item["style"], item["colour"] or ""]:
                for w in words_of(phrase):
                    count[w] += 1
        for w in words_of("a an the of picture photo image drawing emoji with and in on"):
            count[w] += 50
        split = {w: [*w[:-1], w[-1] + "</w>"] for w in count}
        merges = []
        while len(merges) < MERGES:
            pairs: collections.Counter[tuple[str, str]] = collections.Counter()
            for w, parts in split.items():
                for p in zip(parts, parts[1:]):
                    pairs[p] += count[w]
            if not pairs:
                break
            best = max(pairs.items(), key=lambda p: (p[1], p[0]))[0]
            merges.append(best)
            joined = "".join(best)
            for w, parts in split.items():
                if joined not in w + "</w>":
                    continue
                out = []
                for part in parts:
                    if out and (out[-1], part) == best:
                        out[-1] = joined
                    else:
                        out.append(part)
                split[w] = out
        return cls(merges)

    def word(self, w: str) -> list[int]:
        if w not in self.memo:
            parts = [*w[:-1], w[-1] + "</w>"]
            while len(parts) > 1:
                ranked = [(self.rank.get(p, 1 << 30), i) for i, p in enumerate(zip(parts, parts[1:]))]
                rank, i = min(ranked)
                if rank == 1 << 30:
                    break
                pair, out, k = (parts[i], parts[i + 1]), [], 0
                while k < len(parts):
                    if k + 1 < len(parts) and (parts[k], parts[k + 1]) == pair:
                        out.append(parts[k] + parts[k + 1])
                        k += 2
                    else:
                        out.append(parts[k])
                        k += 1
                parts = out
            self.memo[w] = [self.vocab[p] for p in parts]
        return self.memo[w]

    def encode(self, text: str) -> list[int]:
        ids = [i for w in words_of(text) for i in self.word(w)][: TEXT_LENGTH - 2]
        ids = [self.vocab[START], *ids, self.vocab[END]]
        return ids + [self.vocab[END]] * (TEXT_LENGTH - len(ids))

    def batch(self, texts: list[str]) -> torch.Tensor:
        return torch.tensor([self.encode(t) for t in texts])

    def save(self, folder: pathlib.Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "vocab.json").write_text(json.dumps(self.vocab, ensure_ascii=False))
        (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(m) for m in self.merges) + "\n")
        (folder / "tokenizer_config.json").write_text(json.dumps({
            "tokenizer_class": "CLIPTokenizer", "model_max_length": TEXT_LENGTH, "do_lower_case": True,
            "bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}, indent=2))
        (folder / "special_tokens_map.json").write_text(json.dumps(
            {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}, indent=2))


def captions(item: dict, rng: random.Random) -> str:
    """One of the many ways to ask for a drawing."""
    label, words = item["label"], item["words"]
    if rng.random() < 0.9 or not words:
        text = label
        if item["colour"] and item["colour"] not in label and rng.random() < 0.3:
            text = f"{item['colour']} {label}"
        if rng.random() < 0.15:
            article = "an" if text[0] in "aeiou" else "a"
            text = rng.choice(("", "picture of ", "drawing of ", "image of ")) + f"{article} {text}"
    else:
        text = rng.choice(words)
    more = rng.choice((0, 0, 0, 1, 2))
    parts = [text, *rng.sample(words, min(more, len(words)))]
    if rng.random() < 0.3:
        parts.append(item["style"])
    return ", ".join(parts)

"""Trains a toy CLIP tokenizer and records what the reference library makes of some texts.

Writes tokenizer/ (both file forms) and tokens.json. Needs the "tokenizers" package. Run: python tokenizer.py
"""
import json
import os
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

BOS, EOS = "<|startoftext|>", "<|endoftext|>"
CORPUS = """a red apple on a table, a green apple, two apples and a banana, an owl in the night sky,
a blue cat with a hat, the cat's pyjamas, it's a dog, they're happy, we've seen the sea, i'm here, i'll go, he'd know,
a castle on a hill at sunset, oil painting, masterpiece, highly detailed, 4k 8k, soft light, noto fluent flat 3d emoji,
smiling face with sunglasses, pizza, burger, rocket, rainbow, umbrella with rain drops, volcano, snowman without snow,
grinning cat with smiling eyes, heart with arrow, people holding hands, birthday cake, christmas tree, wrapped gift"""
TEXTS = [
    "", " ", "a red apple", "A Red APPLE", "  several   blanks\tand\nlines ", "it's the cat's hat, they're 42!",
    "unknownword qwertyuiop", "1234567890", "caf\u00e9 na\u00efve \u00fcber", "cafe\u0301", "\u732b \u3068 \u72ac", "\U0001F431 cat",
    "!!!???...", "hello-world_foo", "don't isn't i'm we've he'd she'll I'M", "emoji\u200djoiner", "a,b;c:d",
    "<|endoftext|> inside", "word " * 40, "\u0130stanbul \u1e9e", "x\u00a0y", "#hash @at $5.00", "\u0661\u0662 \u2167 \u00bd",
]

tok = Tokenizer(models.BPE(unk_token=EOS, end_of_word_suffix="</w>", continuing_subword_prefix="", fuse_unk=False))
tok.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
tok.pre_tokenizer = pre_tokenizers.Sequence([
    pre_tokenizers.Split(Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), behavior="removed", invert=True),
    pre_tokenizers.ByteLevel(add_prefix_space=False),
])
tok.decoder = decoders.ByteLevel()
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
trainer = trainers.BpeTrainer(vocab_size=760, special_tokens=[], initial_alphabet=alphabet, end_of_word_suffix="</w>", show_progress=False)
tok.train_from_iterator(CORPUS.splitlines(), trainer)

model = json.loads(tok.to_str())["model"]
vocab, merges = model["vocab"], model["merges"]
# CLIP's order: 256 bytes, the same 256 with the suffix, one per merge, start, end.
names = alphabet + [a + "</w>" for a in alphabet]
seen = set(names)
for a, b in merges:
    if a + b not in seen:
        seen.add(a + b)
        names.append(a + b)
names += [BOS, EOS]
vocab = {n: i for i, n in enumerate(names)}

os.makedirs("tokenizer", exist_ok=True)
with open("tokenizer/vocab.json", "w") as f:
    json.dump(vocab, f, ensure_ascii=False)
with open("tokenizer/merges.txt", "w") as f:
    f.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
with open("tokenizer/tokenizer_config.json", "w") as f:
    json.dump({"tokenizer_class": "CLIPTokenizer", "model_max_length": 24, "pad_token": "!", "bos_token": {"content": BOS}, "eos_token": {"content": EOS}, "unk_token": {"content": EOS}}, f, indent=1)
with open("tokenizer/special_tokens_map.json", "w") as f:
    json.dump({"bos_token": {"content": BOS, "lstrip": False}, "eos_token": EOS, "unk_token": EOS, "pad_token": "!"}, f, indent=1)

ref = Tokenizer(models.BPE(vocab=vocab, merges=[tuple(m) for m in merges], unk_token=EOS, end_of_word_suffix="</w>", continuing_subword_prefix="", fuse_unk=False))
ref.normalizer, ref.pre_tokenizer, ref.decoder = tok.normalizer, tok.pre_tokenizer, tok.decoder
ref.add_special_tokens([BOS, EOS])
ref.post_processor = processors.RobertaProcessing((EOS, vocab[EOS]), (BOS, vocab[BOS]), trim_offsets=False, add_prefix_space=False)
ref.enable_truncation(24)
ref.enable_padding(length=24, pad_id=vocab["!"], pad_token="!")
ref.save("tokenizer/tokenizer.json", pretty=False)
with open("tokens.json", "w") as f:
    json.dump([{"text": t, "ids": ref.encode(t).ids} for t in TEXTS], f, ensure_ascii=True, indent=0)
    f.write("\n")

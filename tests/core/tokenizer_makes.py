"""Tokenizers of the makes that people bring, trained in seconds on sentences of our own, and the bytes of their tokens.

The classes and rules are those of transformers; only vocabularies and merges are made here."""
import inspect, json, re, string, tempfile
from pathlib import Path
from types import SimpleNamespace

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer, GemmaTokenizer, LlamaTokenizer, PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import TikTokenConverter, bytes_to_unicode
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

from eagle_nb.core.models import Model

SENTENCES = ["A photo of a dog and a cat next to the wall.", "There is an elephant in the image, and it isn't small.",
             "The woman's well-known umbrella lies on the table; two cats sleep there.", "Yes. No. Yes, it is. No, there is none.",
             "A teardrop-shaped lamp stands near the window.", "Ein großer Hund läuft über die Straße.", "une tasse de café près du château",
             "Большая собака бежит по улице.", "图中有一只猫坐在桌子上", "男の人が犬と散歩している", "고양이가 식탁 위에 앉아 있다.",
             "แมวนั่งบนโต๊ะ", "बिल्ली मेज पर बैठी है", "قطة على الطاولة", "חתול על השולחן"]
BYTES = [f"<0x{b:02X}>" for b in range(256)]


def bpe(pre_tokenizer, alphabet, merges, **limits):
    "Vocabulary and merges of byte pairs in our sentences."
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizer
    tok.train_from_iterator(SENTENCES, trainers.BpeTrainer(vocab_size=len(alphabet) + merges, initial_alphabet=alphabet,
                                                           show_progress=False, **limits))
    learned = json.loads(tok.to_str())["model"]
    return sorted(learned["vocab"], key=learned["vocab"].get), [tuple(m) for m in learned["merges"]]


def sentencepiece(specials, prepend):
    "Vocabulary and merges of SentencePiece: spaces as ▁, and bytes for characters that are not in it."
    before = pre_tokenizers.Metaspace(prepend_scheme=prepend)
    alphabet = [*string.ascii_letters, *string.digits, *string.punctuation, "é"]
    pieces, merges = bpe(before, alphabet, 420, limit_alphabet=140)
    pieces = [*specials, *BYTES, *pieces, "▁▁"]
    return {p: i for i, p in enumerate(dict.fromkeys(pieces))}, [*merges, ("▁", "▁")]


def llama_file():
    "Llama 2 as its legacy tokenizer.json has it: ▁ in front of every text, and a decoder that takes one space away."
    vocab, merges = sentencepiece(["<unk>", "<s>", "</s>"], "always")
    tok = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tok.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tok.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                     decoders.Strip(content=" ", left=1, right=0)])
    return PreTrainedTokenizerFast(tokenizer_object=tok, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


def llama_class():
    "The same through the class of transformers 5, saved and loaded."
    vocab, merges = sentencepiece(["<unk>", "<s>", "</s>"], "always")
    with tempfile.TemporaryDirectory() as folder:
        LlamaTokenizer(vocab=vocab, merges=merges).save_pretrained(folder)
        return AutoTokenizer.from_pretrained(folder)


def gemma():
    "Gemma: no ▁ in front, bytes for rare characters."
    vocab, merges = sentencepiece(["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"], "never")
    return GemmaTokenizer(vocab=vocab, merges=merges)


def byte_level(rule, normalizer, end):
    "Byte-level BPE with a rule that cuts the text before bytes are paired."
    from tokenizers import Regex
    before = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(rule), "isolated"),
                                      pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    pieces, merges = bpe(before, pre_tokenizers.ByteLevel.alphabet(), 420)
    tok = Tokenizer(models.BPE(vocab={p: i for i, p in enumerate(pieces)}, merges=merges))
    tok.pre_tokenizer, tok.decoder = before, decoders.ByteLevel()
    if normalizer: tok.normalizer = normalizer
    return PreTrainedTokenizerFast(tokenizer_object=tok, eos_token=end)


def qwen(): return byte_level(PRETOKENIZE_REGEX, normalizers.NFC(), "<|im_end|>")


def llama3():
    rule = inspect.signature(TikTokenConverter.__init__).parameters["pattern"].default
    return byte_level(rule, None, "<|eot_id|>")


MAKES = dict(llama_file=llama_file, llama_class=llama_class, gemma=gemma, qwen=qwen, llama3=llama3)


class Reader(Model):
    def __repr__(self): return self.name


def reader(tokenizer, name="a tokenizer"):
    "What reads answers of a model, without its weights."
    model = Reader.__new__(Reader)
    nothing = dict(eos_token_id=None, image_token_id=None, image_token_index=None)
    model.model = SimpleNamespace(config=SimpleNamespace(**nothing), generation_config=SimpleNamespace(**nothing))
    model.processor, model.name = SimpleNamespace(tokenizer=tokenizer, image_token_id=None), name
    return model


def genuine(folder):
    "Tokenizers in the folders of a folder."
    return {p.parent.name: p.parent for p in sorted(Path(folder).glob("*/tokenizer.json"))}


class Bytes:
    "Where tokens are in the bytes of a text, from the vocabulary alone."
    def __init__(self, tokenizer):
        self.tokenizer, self.back = tokenizer, {c: b for b, c in bytes_to_unicode().items()}
        self.pieces = "ByteFallback" in str(tokenizer.backend_tokenizer.decoder)
        self.strips = "Strip" in str(tokenizer.backend_tokenizer.decoder)
        self.added = {i: t.content for i, t in tokenizer.added_tokens_decoder.items()}

    def of(self, i):
        "The bytes of a token."
        piece = self.added.get(i) or self.tokenizer.convert_ids_to_tokens(i)
        if self.pieces and re.fullmatch("<0x..>", piece): return bytes.fromhex(piece[3:5])
        if self.pieces: return piece.replace("▁", " ").encode()
        return piece.encode() if i in self.added else bytes(self.back[c] for c in piece)

    def spans(self, ids):
        "(start, end) of each token in the bytes, and the bytes."
        raw, spans = b"", []
        for i in ids:
            spans.append((len(raw), len(raw) + len(self.of(i))))
            raw += self.of(i)
        cut = int(self.strips and raw.startswith(b" "))
        return [(max(i - cut, 0), max(j - cut, 0)) for i, j in spans], raw[cut:]

    def cover(self, ids, text, start, end):
        "The tokens that hold a byte of a stretch of the text."
        first, last = len(text[:start].encode()), len(text[:end].encode())
        return tuple(k for k, (i, j) in enumerate(self.spans(ids)[0]) if max(i, first) < min(j, last))

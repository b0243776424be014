"""Tests that the served tokenizer is Hugging Face's, text for text."""

import numpy as np
import tensorflow as tf
from text_testing import fuzzed_texts
from text_testing import gpt2_files
from tokenizers import Tokenizer
from tokenizers import decoders
from tokenizers import models
from tokenizers import pre_tokenizers

from gpt_keras.model import GPTModel
from gpt_keras.serving.export import export_saved_model
from gpt_keras.text.byte_pair_tokenizer import BytePairTokenizer


def hugging_face(vocabulary, merges):
    tokenizer = Tokenizer(models.BPE.from_file(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def test_3000_strings_are_cut_as_by_hugging_face(tmp_path):
    files = gpt2_files(tmp_path)
    tokenizer = BytePairTokenizer.from_gpt2_files(*files)
    model = GPTModel(tokenizer.vocab_size, 8, 2, 8, 8, num_layers=1)
    model(np.zeros((1, 1), np.int32))
    path = export_saved_model(
        model,
        tokenizer,
        tmp_path / "gpt2",
        signatures=["tokenize", "detokenize"],
    )
    served = tf.saved_model.load(path).signatures
    peer = hugging_face(*files)
    texts = fuzzed_texts(3000)
    for start in range(0, len(texts), 300):
        batch = texts[start : start + 300]
        cut = served["tokenize"](texts=tf.constant(batch))
        ids, lengths = cut["token_ids"].numpy(), cut["lengths"].numpy()
        expected = [encoding.ids for encoding in peer.encode_batch(batch)]
        assert [
            row[:length].tolist()
            for row, length in zip(ids, lengths, strict=True)
        ] == expected
        joined = served["detokenize"](
            token_ids=cut["token_ids"], lengths=cut["lengths"]
        )
        found = [text.decode() for text in joined["texts"].numpy()]
        assert found == batch == peer.decode_batch(expected)

"""The settings of whole runs for tasks by name: translation, answers,
summaries, conversations, writing, and what has one right answer.

Above each stand the files that it is for, and TensorFlow datasets that fit.
"""

import dataclasses
from typing import Any

from gpt_keras.config import TrainConfig

# What learns fast, of any size.
_MODERN: dict[str, Any] = dict(
    position="rotary",
    activation="relu_squared",
    qk_norm=True,
    tie_embeddings=True,
    scale_embeddings=False,
    use_bias=False,
    initializer_stddev=0.05,
)
# Documents and pairs whole, several in a row, each of which sees itself alone.
_WHOLE: dict[str, Any] = dict(batching="best_fit", document_mask=True)
# A task with one right answer: a few minutes on two CPU cores.
_SYNTHETIC = TrainConfig(
    **_MODERN,
    **_WHOLE,
    d_model=96,
    num_heads=4,
    dff=384,
    num_layers=3,
    max_length=64,
    tokenizer="character",
    validation_pairs=1000,
    batch_size=32,
    steps=1000,
    learning_rate=3e-3,
    min_learning_rate=1e-4,
    weight_decay=0.01,
    validate_every=250,
    checkpoint_every=250,
)
# A small model for pairs of one or two sentences.
_TRANSLATION = TrainConfig(
    **_MODERN,
    **_WHOLE,
    d_model=192,
    num_heads=6,
    dff=768,
    num_layers=4,
    max_length=128,
    rate=0.2,
    vocab_size=6000,
    validation_pairs=1000,
    batch_size=32,
    steps=4200,
    optimizer="muon",
    learning_rate=2e-3,
    min_learning_rate=2e-5,
    warmup_steps=200,
    ema_decay=0.999,
    label_smoothing=0.1,
    validate_every=200,
    checkpoint_every=200,
    metrics_every=400,
    metrics_examples=1000,
    keep_best_by="bleu",
)
# For a context or an article: begin with weights of the recipe `base`.
_READING = TrainConfig(
    **_MODERN,
    d_model=256,
    num_heads=4,
    dff=1024,
    num_layers=4,
    max_length=384,
    vocab_size=8192,
    batch_size=8,
    steps=1500,
    learning_rate=1e-3,
    warmup_steps=200,
    ema_decay=0.99,
    validate_every=250,
    checkpoint_every=250,
)

TASK_RECIPES: dict[str, TrainConfig] = {
    # Pairs of sentences: --pairs=train.en,train.de, or
    # --tfds=wmt14_translate/de-en, para_crawl/ende.
    "translate": dataclasses.replace(_TRANSLATION, template="translate:en-de"),
    # --pairs=cmn.txt of Tatoeba, whose lines share English sentences; or
    # --tfds=wmt19_translate/zh-en.
    "translate_zh": dataclasses.replace(
        _TRANSLATION,
        template="translate:zh-en",
        steps=2000,
        pair_columns="en,zh",
        hold_out_by="response",
    ),
    # Text to begin with, before a task: --text='books/*.txt', or
    # --tfds=wiki40b/en.
    "base": dataclasses.replace(
        _READING, rate=0.1, optimizer="muon", learning_rate=2e-3
    ),
    # A context and a question about it: --pairs=train-v1.1.json, or
    # --tfds=squad, squad/v2.0.
    "answer": dataclasses.replace(
        _READING,
        **_WHOLE,
        template="answer",
        rate=0.1,
        hold_out_by="context",
    ),
    # A document and a summary of it: --pairs=train.jsonl, or
    # --tfds=cnn_dailymail, gigaword, billsum.
    "summarise": dataclasses.replace(
        _READING, **_WHOLE, template="summarise", rate=0.1
    ),
    # Conversations: --pairs=chats.jsonl with `messages`; single turns of
    # --tfds=databricks_dolly by --template=pair.
    "chat": dataclasses.replace(_READING, **_WHOLE, template="chat", rate=0.1),
    # Text that goes on: --text='books/*.txt', or --tfds=tiny_shakespeare,
    # lm1b, wiki40b/en.
    "write": dataclasses.replace(
        _READING,
        rate=0.2,
        learning_rate=2e-3,
        steps=3000,
        sample_prompt="The",
    ),
    # A play by characters: --text=input.txt, or --tfds=tiny_shakespeare.
    "shakespeare": TrainConfig(
        **_MODERN,
        d_model=192,
        num_heads=6,
        dff=768,
        num_layers=5,
        max_length=256,
        rate=0.2,
        tokenizer="character",
        batch_size=16,
        steps=2000,
        learning_rate=2e-3,
        min_learning_rate=1e-4,
        ema_decay=0.99,
    ),
    # Poems, one a record, its lines in `paragraphs`:
    # --pairs='poet.tang.*.json'.
    "poems": TrainConfig(
        **_MODERN,
        **_WHOLE,
        template="write",
        # Lines of five, or of seven: four in five poems.
        response_pattern=r"(\w{5}\W+)+|(\w{7}\W+)+",
        d_model=192,
        num_heads=6,
        dff=768,
        num_layers=4,
        max_length=192,
        rate=0.2,
        tokenizer="character",
        batch_size=16,
        steps=1500,
        learning_rate=2e-3,
        min_learning_rate=1e-4,
        ema_decay=0.99,
    ),
    # Tasks with one right answer.
    "copy": dataclasses.replace(
        _SYNTHETIC, pairs="synthetic:copy", template="pair"
    ),
    "reverse": dataclasses.replace(
        _SYNTHETIC, pairs="synthetic:reverse", template="pair"
    ),
    "look_up": dataclasses.replace(
        _SYNTHETIC, pairs="synthetic:look_up", template="answer", steps=2500
    ),
    "first_sentence": dataclasses.replace(
        _SYNTHETIC,
        pairs="synthetic:first_sentence",
        template="summarise",
        steps=2000,
    ),
}

"""Tests of who imports whom: see the ordered table below."""

import ast
import pathlib

import pytest

PACKAGE = pathlib.Path(__file__).parents[1] / "gpt_keras"

# The order to read the files in; a module imports only from above itself.
COMMON = """
    version files flags terminal progress step_options config_rules config
    task_recipes recipes
""".split()
DATA = """
    text.unicode_text text.special_tokens text.tokenizer_file text.token_bytes
    text.word_splitting text.text_cutting text.byte_pair_merging
    text.byte_pair_vocabulary text.host_encoding text.byte_pair_tokenizer
    text.character_tokenizer text.gpt2_folder text.tokenizer
    text.tokenizer_training text.template_parts text.template_cutting
    text.template data.text_decoding data.file_patterns
    data.dataset_library data.sources data.splitting data.pair_records
    data.pair_columns data.pair_texts data.pairs data.synthetic_tasks
    data.response_loss
    data.packing data.mixing data.token_manifest data.verification
    data.shard_files data.token_store data.token_sources data.work_units
    data.folder_lock data.unfinished_store data.encoding_worker
    data.encoder_pool data.token_store_writing data.store_report
    data.preparation data.shared_store data.pipeline data.document_spans
    data.batch_layout data.bucket_widths data.length_buckets data.best_fit
    data.document_batches
""".split()
MODEL = """
    layers.initializers layers.token_checks layers.dropout
    layers.dynamic_steps layers.kv_cache layers.few_rows
    layers.recomputation layers.flash_attention
    layers.blockwise_attention
    layers.activations layers.normalization layers.positional_encoding
    layers.documents layers.shared_step
    layers.flat_product layers.adapted_dense
    layers.causal_self_attention layers.decoder_block layers.projection
    layers.lora training.loss training.chunked_loss training.microbatches
    training.gradients training.step_state training.exact_step
    training.cluster training.hosts training.exact_trainer training.schedules
    training.adamw training.muon training.optimizers model weights.surgery
    training.strategy training.installation
    training.checkpoint weights.architecture training.model_folder
    training.run_log training.adapter_file training.model_flops
    training.device_facts training.execution training.stepwise
    training.stop_signals training.telemetry training.callbacks
    training.generation_metrics
    training.profiling training.curves training.run_start training.trainer
    planning.architecture planning.arithmetic planning.devices
    planning.activations planning.runtime planning.memory planning.timing
    planning.plan planning.table planning.calibration weights.names
    weights.assignment weights.configuration weights.safetensors_header
    weights.safetensors weights.hugging_face_tensors weights.hugging_face
    weights.openai weights.keras_hub generation.row_errors
    generation.setting_values generation.settings
    generation.split_mix generation.watermark generation.redaction
    generation.refusal generation.policy generation.penalties
    generation.filters generation.spans generation.sampling
    generation.byte_search
    generation.token_table generation.text_matching generation.text_rules
    generation.repetition_guard generation.cache_rows
    generation.columns generation.decoding_state generation.text_pieces
    generation.drawn_seeds generation.token_details generation.windows
    generation.prompt_lookup
    generation.decoding generation.text_completion
    generation.beam_settings generation.beam_search generation.beam_decoding
    generation.beam_completion generation.beam_results
    generation.scoring generation.choosing generation.embedding
    generation.tasks generation.task_completion generation.compiled_completion
    generation.text_generator generation.task_generator
    evaluation.detokenizers evaluation.passages
    evaluation.length_batches evaluation.token_scorer evaluation.task
    evaluation.perplexity evaluation.last_word evaluation.json_lines
    evaluation.multiple_choice evaluation.identity evaluation.partial_results
    evaluation.evaluator evaluation.continuations evaluation.span_search
    evaluation.memorisation evaluation.suites evaluation.report
    evaluation.score evaluation.bootstrap evaluation.text_units
    evaluation.translation_scores evaluation.summary_scores
    evaluation.answer_scores evaluation.diversity_scores
    evaluation.verse_scores
    evaluation.text_metrics evaluation.trivial_baselines
    evaluation.generation_suites evaluation.generation_task
    evaluation.generation_report evaluation.examples_page
    serving.version_folder serving.checksums serving.training_facts
    serving.signature_table serving.model_card_text serving.model_card
    serving.warm_up serving.fingerprint serving.keyed_checksum
    serving.raw_strings serving.row_header serving.row_state
    serving.continuation serving.signature serving.streaming_signatures
    serving.beam_signature serving.reading_signatures serving.task_signatures
    serving.signatures serving.int8_matrix
    serving.quantization serving.precision serving.export serving.serving_errors
    serving.server_messages serving.json_values serving.json_requests
    serving.json_responses serving.http_messages serving.http_bodies
    serving.http_server serving.serving_metrics serving.request_record
    serving.admission serving.tensor_messages serving.servable
    serving.batch_merging serving.batching_options serving.request_batching
    serving.model_configuration serving.version_states serving.model_versions
    serving.predictor serving.model_requests serving.playground_pages
    serving.playground_facts serving.rest_api serving.grpc_api
    serving.server_config serving.local_server
    serving.client_errors serving.client_retries serving.client_protocol
    serving.client_inputs serving.client_rows serving.http_connections
    serving.rest_transport serving.grpc_transport serving.model_connection
    serving.client_stream serving.client inspection.token_labels
    inspection.fonts inspection.canvas inspection.places inspection.report
    inspection.attention_pictures inspection.sheet
    inspection.prediction_pictures
""".split()
CLI = """
    cli.quiet_start cli.help_text cli.program cli.main
    cli.model_source cli.convert cli.sampling cli.beams
    cli.query_rows cli.task_flags cli.watermark_key
    cli.safety cli.progress_bar cli.pair_data cli.training_data cli.prepare
    cli.batching cli.generation_examples cli.generation_metrics cli.train
    cli.generate cli.export cli.detection
    cli.detect_watermark cli.measure_watermark cli.measure_export
    cli.measure_parity
    cli.run_comparison cli.measure_kills cli.measure_hosts cli.inspection
    cli.evaluation_task cli.memorisation
    cli.generation_evaluation cli.evaluate cli.transformers_program
    cli.process_memory cli.measure_conversion cli.measure_loading
    cli.measure_store cli.measure_tasks cli.resize cli.synthetic_batches
    cli.plan cli.measure_plan cli.serve cli.client_flags cli.query
    cli.conversation cli.chat_sources cli.chat_session cli.chat
    cli.server_process cli.memory_samples cli.load_requests cli.load_clients
    cli.upgrade_under_load cli.measure_serving
""".split()
ORDER = [*COMMON, *DATA, *MODEL, *CLI]

FILES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
MODULES = [name for name in FILES if not name.endswith("__init__")]


def _imports(module):
    """Returns the project's modules that a file imports, anywhere in it.

    The package itself, `gpt_keras`, stands for its `__init__.py`.
    """
    found = set()
    for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = {name for name in names if _short(name) in FILES}
            found |= modules if modules == names else {*modules, node.module}
    return {_short(name) for name in found if name.startswith("gpt_keras")}


def _short(name):
    return name.removeprefix("gpt_keras.")


def test_every_module_has_its_place():
    assert sorted(ORDER) == sorted(MODULES)
    assert not [name for name in MODULES if name.endswith("utils")]


def test_imports_only_from_above():
    wrong = [
        f"{module} imports {name}"
        for module in MODULES
        for name in _imports(module)
        if name not in ORDER[: ORDER.index(module)]
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("column", "other"), [(DATA, MODEL), (MODEL, DATA), (COMMON, DATA + MODEL)]
)
def test_the_columns_never_meet(column, other):
    for module in column:
        assert not _imports(module) & set(other), module


def test_what_uses_a_model_takes_it_and_the_tokenizer_as_arguments():
    for module in MODULES:
        if module.startswith(
            ("generation.", "evaluation.", "inspection.", "serving.")
        ):
            assert not _imports(module) & {"model", "text", *DATA}, module

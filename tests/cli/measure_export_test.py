"""Tests of `gpt_keras.cli.measure_export`."""

from gpt_keras.cli import export
from gpt_keras.cli import measure_export
from gpt_keras.cli import program


def test_all_ways_write_the_same(model_dir, tmp_path, capsys):
    arguments = [f"--model_dir={model_dir}", f"--output={tmp_path / 'gpt'}"]
    arguments.append("--signatures=generate")
    export.main(program.parse(export.define_flags, *arguments))
    version = capsys.readouterr().out.strip()
    flags = [f"--model_dir={model_dir}", f"--version_dir={version}"]
    flags += ["--batch_sizes=1,3", "--new_tokens=8", "--repeats=2"]
    values = program.parse(measure_export.define_flags, *flags)
    measure_export.main(values)
    _, *lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    for line in lines:
        batch, seconds, speed, ratio, same, way, *path = line.split()
        assert same == "yes" and int(batch) in (1, 3)
        assert float(seconds) > 0 and float(speed) > 0
        assert float(ratio) == 1 if way == "Python" else path[-1] == version

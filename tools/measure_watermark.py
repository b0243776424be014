"""`python -m tools.measure_watermark`: cli/measure_watermark.py."""

from gpt_keras.cli import measure_watermark

if __name__ == "__main__":
    measure_watermark.run()

"""`python -m tools.detect_watermark`: see gpt_keras/cli/detect_watermark.py."""

from gpt_keras.cli import detect_watermark

if __name__ == "__main__":
    detect_watermark.run()

"""`python -m tools.chat`: see gpt_keras/cli/chat.py."""

from gpt_keras.cli import chat

if __name__ == "__main__":
    chat.run()

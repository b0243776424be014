"""`python -m tools.measure_hosts`: cli/measure_hosts.py."""

from gpt_keras.cli import measure_hosts

if __name__ == "__main__":
    measure_hosts.run()

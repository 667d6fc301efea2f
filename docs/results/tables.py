"""Makes the results pages from the committed CSV files, as tables.toml says.

python docs/results/tables.py
"""

from pathlib import Path

from eqprop.analysis.pages import pages

HERE = Path(__file__).parent

if __name__ == "__main__":
    for name, text in pages(HERE).items():
        (HERE / name).write_text(text, "utf-8")

"""`python -m eqprop`."""

from eqprop.cli import main

if __name__ == "__main__":
    main()

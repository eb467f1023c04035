"""`python -m micropie` is `micropie`."""

from .cli import main

# Worker processes import this module under another name; they must not start a second command line.
if __name__ == "__main__":
    main()

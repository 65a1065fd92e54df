"""``python -m reelwire.cli``"""

from reelwire.cli import main

if __name__ == "__main__":
    main()

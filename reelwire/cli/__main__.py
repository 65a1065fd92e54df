"""``python -m reelwire.cli``"""

from reelwire.cli.app import main

if __name__ == "__main__":
    main()

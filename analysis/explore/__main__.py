"""`python -m analysis.explore DATASET`."""

from analysis.explore.command_line import main

if __name__ == "__main__":
    main()

"""Writes the pages of the reference out of the code, into `deploy/docs/reference/`:  deploy/write_reference.py"""

from reference.pages import FOLDER, write

if __name__ == "__main__":
    write(FOLDER)

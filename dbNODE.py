"""Run an authentication node; control nodes do it by themselves. `dbNODE.py --help` lists its options."""

from hocket.app.exits import run_script

if __name__ == "__main__":
    run_script("db")

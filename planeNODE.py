"""Run a plane: this machine joins a cluster and adds its capacity. `planeNODE.py --help` lists its options."""

from hocket.app.exits import run_script

if __name__ == "__main__":
    run_script("plane")

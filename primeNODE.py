"""Run the prime: the registry, login and library of a cluster. `primeNODE.py --help` lists its options."""

from hocket.app.exits import run_script

if __name__ == "__main__":
    run_script("prime")

"""Look after a cluster: status, users, tracks, tokens. `controlNODE.py --help` lists its commands."""

from hocket.app.exits import run_script

if __name__ == "__main__":
    run_script("control")

"""Listen: opens the window, or with --headless a terminal client. `user.py --help` lists its options."""

from hocket.app.exits import run_script

if __name__ == "__main__":
    run_script("user")

"""`controlNODE.py --prime`: an operator on another machine, by an account that may operate."""

"""Explained dropout risk for first-years: data frames in, data frames out.

This package knows the domain and nothing of MLflow, the web, a database, the clock or the network.
"""

__version__ = "0.1.0"

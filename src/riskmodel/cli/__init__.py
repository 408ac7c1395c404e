"""The command line: the one place that knows the domain, training and serving."""

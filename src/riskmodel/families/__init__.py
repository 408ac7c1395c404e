"""Model families, each a decision value in log-odds over the columns of a design matrix."""

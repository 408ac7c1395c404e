"""The data contract: what an institution hands over, read, checked and described."""

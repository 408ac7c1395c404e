"""The coach's pages: this week's list, and one student."""

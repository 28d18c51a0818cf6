"""A study: its folder, its storage, its points, and the workers that carry them out."""

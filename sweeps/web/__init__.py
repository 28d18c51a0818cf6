"""Pages for a browser: runs and studies as charts."""

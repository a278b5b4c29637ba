"""What a reconcile found, as an HTML page, Markdown, plots for a notebook and lines on a terminal."""

"""Pages: the dataset's own, and the toolkit (HTML, charts, thumbnails, Markdown) that all pages share."""

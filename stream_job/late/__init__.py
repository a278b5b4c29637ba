"""The table `plumbline.late`: what the stream dropped as late, row by row, as epochs commit."""

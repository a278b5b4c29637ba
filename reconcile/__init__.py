"""Compare the stream's table with the batch's, name the cause of each difference, keep the books."""

"""One function for each operation of torch: what it becomes in the program."""

"""What the instructions of the program do, in compiled code."""

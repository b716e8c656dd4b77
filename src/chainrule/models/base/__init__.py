"""What every model can do, and what kinds of models share."""

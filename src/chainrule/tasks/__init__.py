"""What one does with a model: functions that return plain results."""

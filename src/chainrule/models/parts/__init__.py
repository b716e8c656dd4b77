"""Pieces that families of models share."""

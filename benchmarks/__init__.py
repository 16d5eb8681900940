"""Measurements, a script a claim; tests import what is drawn here."""

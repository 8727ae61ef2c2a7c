"""Tests of serving/reader."""

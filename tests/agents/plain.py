"""Behaves well: says something in each turn and ends it."""

from base import Agent

Agent().serve()

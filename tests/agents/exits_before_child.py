"""Exits in a turn while a child of it holds its pipes open."""

import os

from base import Agent


class Parent(Agent):
    def prompt(self, text):
        if os.fork() == 0:
            os.setsid()
            os.execvp("sleep", ["sleep", "600"])
        os._exit(4)


Parent().serve()

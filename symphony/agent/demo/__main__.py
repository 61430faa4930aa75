"""Starts the demo agent: `python -m symphony.agent.demo`."""

import asyncio

from symphony.agent.demo.agent import serve

if __name__ == "__main__":
    asyncio.run(serve())

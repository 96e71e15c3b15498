"""Hosts an event broker as Rasa does: by the class path and the kwargs of an endpoint.

Usage: rasa_host.py CLASS_PATH KWARGS_AS_JSON. Each line of stdin is an event, answered with a
line: "stored", or what was raised; "?" asks is_ready().
"""

import asyncio
import importlib
import json
import sys
import types


def load(path):
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


async def main():
    broker_class, kwargs = load(sys.argv[1]), json.loads(sys.argv[2])
    assert asyncio.iscoroutinefunction(broker_class.from_endpoint_config)
    assert await broker_class.from_endpoint_config(None) is None
    config = types.SimpleNamespace(url=kwargs.pop("url", None), kwargs=kwargs)
    broker = await broker_class.from_endpoint_config(config)
    print("ready", flush=True)
    for line in sys.stdin:
        try:
            if line == "?\n":
                print(broker.is_ready(), flush=True)
            else:
                broker.publish(json.loads(line))
                print("stored", flush=True)
        except Exception as error:
            print(f"{type(error).__name__}: {error}", flush=True)
    await broker.close()


asyncio.run(main())

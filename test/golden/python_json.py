"""Writes the golden files beside it: what Python's json.dumps makes of values and of events.

    python3 test/golden/python_json.py

With --serve it reads values from stdin, one a line in the notation of describe(), and answers
each with its json.dumps: for comparisons over random values.
"""

import json
import pathlib
import random
import struct
import sys

FOLDER = pathlib.Path(__file__).parent


def describe(value):
    """A value in a JSON that says of each number whether Python holds an int or a float."""
    if isinstance(value, bool) or value is None:
        return {"t": "json", "v": value}
    if isinstance(value, int):
        return {"t": "int", "v": str(value)}
    if isinstance(value, float):
        return {"t": "float", "v": struct.pack(">d", value).hex()}
    if isinstance(value, str):
        return {"t": "str", "v": units(value)}
    if isinstance(value, list):
        return {"t": "list", "v": [describe(one) for one in value]}
    return {"t": "dict", "v": [[units(name), describe(one)] for name, one in value.items()]}


def understand(described):
    """Inverse of describe()."""
    kind, value = described["t"], described["v"]
    if kind == "json":
        return value
    if kind == "int":
        return int(value)
    if kind == "float":
        return struct.unpack(">d", bytes.fromhex(value))[0]
    if kind == "str":
        return text(value)
    if kind == "list":
        return [understand(one) for one in value]
    return {text(name): understand(one) for name, one in value}


def units(value):
    """UTF-16 code units: JavaScript's view of a text, lone surrogates included."""
    data = value.encode("utf-16-be", "surrogatepass")
    return list(struct.unpack(f">{len(data) // 2}H", data))


def text(value):
    return struct.pack(f">{len(value)}H", *value).decode("utf-16-be", "surrogatepass")


def floats():
    yield from (0.0, -0.0, 1.0, -1.0, 0.1, 1 / 3, 2 / 3, 1e-4, 1e-5, 1.5e-5, 1e-7, 123456789.0)
    yield from (1e15, 1e16, 1e17, 1.5e16, 9999999999999998.0, 1e21, 1e22, 1e100, 1e-100)
    yield from (5e-324, 1.7976931348623157e308, 2.2250738585072014e-308, 9007199254740993.0)
    yield from (1611230000.0, 1611230000.123456, 0.9999999999999999, 100.0, 123456.7)
    yield from (float("nan"), float("inf"), float("-inf"))
    for exponent in range(-10, 25):
        yield from (10.0**exponent, -3 * 10.0**exponent, 1.2345678901234567 * 10.0**exponent)
    source = random.Random(5)
    for _ in range(500):
        yield struct.unpack(">d", source.randbytes(8))[0]


def texts():
    yield from ("", "plain", 'quote " and \\ and /', "\n\r\t\b\f", "\x00\x01\x1f\x7f\x80\xff")
    yield from ("héllo", "日本語", "😀 and 👩‍👩‍👧", "\u2028\u2029", "\ud83d", "\ude00x", "\uffff")
    yield "".join(map(chr, range(0, 0x180)))


def values():
    yield from floats()
    yield from texts()
    yield from (None, True, False, 0, -1, 2**53, 2**53 + 1, -(2**63), 10**30)
    yield from ([], {}, [[]], [{}], [1, 1.0, "1", None, True], {"": ""}, {"é\n": {"a": [1, 2.5]}})
    yield {"z": 1, "a": 2, "__proto__": 3, "constructor": 4}


def events():
    """Events as Rasa publishes them, made up; whole floats are in the fields of docs/rasa.md."""
    sender = {"sender_id": "übung-7"}
    intent = {"name": "order_pizza", "confidence": 1.0}
    entity = {"entity": "size", "start": 0, "end": 5, "value": "grande", "extractor": "DIET"}
    scores = {"confidence_entity": 1.0, "confidence_role": 0.0, "confidence_group": 1e-07}
    ranking = [intent, {"name": "greet", "confidence": 2.2204460492503131e-16}]
    number = {"entity": "number", "value": 2, "confidence": 1.0, "additional_info": {"score": 2}}
    selector = {"default": {"response": {"confidence": 1.0}, "ranking": [{"confidence": 0.0}]}}
    parse_data = {"intent": intent, "entities": [{**entity, **scores}, number]}
    parse_data |= {"text": "grande 🍕", "message_id": "5b1e", "intent_ranking": ranking}
    parse_data |= {"response_selector": selector, "text_tokens": [[0, 6], [7, 8]]}
    parse_data |= {"metadata": {"confidence": 1, "timestamp": 1611230000}}
    user = {"event": "user", "timestamp": 1611230000.0, "text": "grande 🍕", "input_channel": None}
    yield {**sender, **user, "parse_data": parse_data, "metadata": {"score": 3}}
    action = {"event": "action", "name": "action_listen", "policy": "RulePolicy"}
    yield {**sender, "timestamp": 1611230000.25, **action, "confidence": 1.0, "metadata": {}}
    yield {**sender, **action, "timestamp": 1611230001.0, "confidence": None, "action_text": None}
    bot = {"event": "bot", "timestamp": 1.0, "text": "¿Qué?\n", "data": {"buttons": [], "n": 1}}
    yield {**sender, **bot, "metadata": {"utter_action": "utter_ask"}}
    yield {**sender, "event": "slot", "timestamp": 2e16, "name": "confidence", "value": 1}
    yield {**sender, "event": "slot", "timestamp": 0.0, "name": "n", "value": {"confidence": 1}}
    yield {**sender, "event": "entities", "timestamp": 3.0, "entities": [{**entity, **scores}]}
    yield {**sender, "event": "session_started", "timestamp": 1611229999.9999998}
    reminder = {"event": "reminder", "date_time": "2021-01-21T12:00:00", "kill_on_user_msg": True}
    yield {**sender, "timestamp": 1611230002.5, **reminder, "entities": None}


def write(name, lines):
    with open(FOLDER / name, "w", encoding="ascii", newline="\n") as file:
        file.writelines(line + "\n" for line in lines)


def serve():
    for line in sys.stdin:
        print(json.dumps(understand(json.loads(line))), flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        serve()
    else:
        write("python-values.jsonl", (json.dumps([describe(v), json.dumps(v)]) for v in values()))
        write("rasa-events.jsonl", (json.dumps(event) for event in events()))

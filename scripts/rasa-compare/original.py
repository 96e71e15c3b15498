"""Stands in for Rasa's own Kafka event broker: publishes as it does, through librdkafka.

What it keeps of the original, with the reason why each loses events:

- The producer is made by the first publish, which asks for the topics for 5 s; without an answer
  it returns, and the event is gone.
- produce() only puts the event into librdkafka's memory. Nobody looks at what becomes of it: the
  retries of publish() are for a full queue and for errors of that call.
- The thread that would serve delivery reports looks once whether there is a producer, before
  there is one, and ends.
- close() flushes, and the error callback raises from there when all brokers are down.

Usage: original.py BROKERS TOPIC. Commands and answers are lines of JSON, see side.ts.
"""

import json
import sys
import threading
import time

from confluent_kafka import KafkaError, KafkaException, Producer

SERIOUS = (KafkaError._ALL_BROKERS_DOWN, KafkaError._AUTHENTICATION)


def on_error(error):
    if error.code() in SERIOUS:
        raise KafkaException(error)


class Original:
    def __init__(self, brokers, topic):
        self.config = {"bootstrap.servers": brokers, "security.protocol": "PLAINTEXT"}
        self.topic = topic
        self.producer = None
        self.closing = False
        self.poller = threading.Thread(target=self.poll)
        self.poller.start()

    def poll(self):
        if self.producer is not None:
            while not self.closing:
                self.producer.poll(0.1)

    def connect(self):
        self.producer = Producer({**self.config, "error_cb": on_error})
        self.producer.list_topics(timeout=5)

    def publish(self, event, retries=60, delay=5):
        if self.producer is None:
            try:
                self.connect()
            except KafkaException:
                return
        for _ in range(retries):
            try:
                return self.produce(event)
            except BufferError:
                self.producer.poll(1)
            except Exception:
                try:
                    self.producer.list_topics(timeout=5)
                except KafkaException:
                    try:
                        self.connect()
                        return self.produce(event)
                    except KafkaException:
                        pass
                time.sleep(delay)

    def produce(self, event):
        value = json.dumps(event).encode()
        self.producer.produce(self.topic, value=value, key=event["sender_id"].encode())

    def close(self):
        self.closing = True
        self.poller.join()
        if self.producer is not None:
            self.producer.flush()


def main():
    broker = Original(*sys.argv[1:3])
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        broker.publish(json.loads(line))
        print(json.dumps("published"), flush=True)
    broker.close()


main()

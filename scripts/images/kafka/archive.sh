#!/bin/bash
# Archives the classes that a start loads, as apache/kafka's own image does, while this one is
# built. A JVM without its archive, or to which it does not fit, is slower and nothing else.
set -euo pipefail
export CLUSTER_ID=5L6g3nShT-eMCtK--X86sw

java -Xmx512m -XX:ArchiveClassesAtExit=/opt/kafka/setup.jsa @/opt/kafka/classpath \
  kafka.docker.KafkaDockerWrapper setup --default-configs-dir /etc/kafka/docker \
  --mounted-configs-dir /mnt/shared/config --final-configs-dir /opt/kafka/config
java -Xmx512m -XX:ArchiveClassesAtExit=/opt/kafka/kafka.jsa @/opt/kafka/classpath \
  -Dlog4j2.configurationFile=/etc/kafka/docker/log4j2.properties \
  kafka.Kafka /opt/kafka/config/server.properties > /tmp/start.log &
broker=$!
for _ in $(seq 600); do
  if grep -q 'Kafka Server started' /tmp/start.log; then break; fi
  sleep 0.1
done
/opt/kafka/bin/kafka-topics.sh --bootstrap-server localhost:9092 --create --topic archived
kill "$broker"
wait "$broker" || [ $? -eq 143 ] # of SIGTERM
rm -rf /tmp/start.log /opt/kafka/config/*
find /var/lib/kafka/data -mindepth 1 -delete

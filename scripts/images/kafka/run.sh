#!/bin/bash
# Same contract as the official apache/kafka image: KAFKA_* variables become properties, storage
# is formatted on the first start. The rendering is Kafka's own (KafkaDockerWrapper).
set -euo pipefail
export CLUSTER_ID="${CLUSTER_ID:-5L6g3nShT-eMCtK--X86sw}"

java -XX:SharedArchiveFile=/opt/kafka/setup.jsa -XX:TieredStopAtLevel=1 -XX:+UseSerialGC \
  @/opt/kafka/classpath kafka.docker.KafkaDockerWrapper setup \
  --default-configs-dir /etc/kafka/docker \
  --mounted-configs-dir /mnt/shared/config \
  --final-configs-dir /opt/kafka/config > /tmp/setup.log 2>&1 || {
  # On a second start the storage is formatted already, and that step ends with an error.
  if ! grep -qi 'already formatted' /tmp/setup.log; then
    cat /tmp/setup.log >&2
    exit 1
  fi
}

# shellcheck disable=SC2086
exec java ${KAFKA_HEAP_OPTS:--Xms256m -Xmx1G} ${KAFKA_JVM_PERFORMANCE_OPTS:--XX:+UseG1GC} \
  -XX:SharedArchiveFile=/opt/kafka/kafka.jsa -Djava.awt.headless=true \
  -Dlog4j2.configurationFile=/etc/kafka/docker/log4j2.properties \
  ${KAFKA_OPTS:-} @/opt/kafka/classpath kafka.Kafka /opt/kafka/config/server.properties

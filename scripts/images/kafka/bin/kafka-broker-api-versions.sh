#!/bin/sh
class=org.apache.kafka.tools.BrokerApiVersionsCommand
case "$(echo /opt/kafka/libs/kafka-clients-*.jar)" in
  */kafka-clients-3.*) class=kafka.admin.BrokerApiVersionsCommand ;;
esac
exec java -Xmx128m -XX:TieredStopAtLevel=1 -Dlog4j2.level=ERROR -cp "/opt/kafka/libs/*" "$class" "$@"

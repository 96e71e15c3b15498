/**
 * One partition without a leader must not take its whole topic away: kafkajs throws on the first
 * such partition of a metadata answer (metadata/v0/response.js, `parse`). So the broker's
 * complaint is taken out of the answer on its way from the socket; that the leader is -1 stays, and
 * a record for that partition alone finds no broker.
 */

const metadata = 3;
/** All that brokers since Kafka 1.0 are asked for by kafkajs. */
const versions = [5, 6] as const;
/** LEADER_NOT_AVAILABLE, REPLICA_NOT_AVAILABLE, LISTENER_NOT_FOUND */
const complaints = new Set([5, 9, 72]);

/** Both directions of one connection. */
export class MetadataAnswers {
  /** Correlation ids of metadata requests that wait for their answer. */
  readonly #asked = new Set<number>();
  #rest: Buffer = Buffer.alloc(0);

  /** To be shown every request that leaves. */
  sent(request: unknown): void {
    if (!Buffer.isBuffer(request) || request.length < 14) return;
    const [key, version] = [request.readInt16BE(4), request.readInt16BE(6)];
    if (key !== metadata || version < versions[0] || version > versions[1]) return;
    this.#asked.add(request.readInt32BE(8));
  }

  /** Takes what has come and gives back whole answers; `null`: the first is not complete yet. */
  received(chunk: Buffer): Buffer | null {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let end = 0;
    while (end + 8 <= bytes.length) {
      const next = end + 4 + bytes.readInt32BE(end);
      if (next > bytes.length) break;
      if (this.#asked.delete(bytes.readInt32BE(end + 4))) tryToMend(bytes.subarray(end + 8, next));
      end = next;
    }
    this.#rest = bytes.subarray(end);
    return end === 0 ? null : bytes.subarray(0, end);
  }
}

/** Reads an answer as org.apache.kafka.common.message.MetadataResponse lays it out. */
class Reader {
  readonly bytes: Buffer;
  at = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  int16(): number {
    this.at += 2;
    return this.bytes.readInt16BE(this.at - 2);
  }

  int32(): number {
    this.at += 4;
    return this.bytes.readInt32BE(this.at - 4);
  }

  text(): void {
    const length = this.int16();
    this.at += Math.max(0, length);
  }

  each(read: () => void): void {
    for (let left = this.int32(); left > 0; left -= 1) read();
  }
}

/** One that is laid out in another way is left for kafkajs to complain about. */
function tryToMend(answer: Buffer): void {
  try {
    mend(answer);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
}

function mend(answer: Buffer): void {
  const reader = new Reader(answer);
  reader.int32(); // throttle time
  reader.each(() => {
    reader.int32(); // node
    reader.text(); // host
    reader.int32(); // port
    reader.text(); // rack
  });
  reader.text(); // cluster
  reader.int32(); // controller
  reader.each(() => {
    reader.int16(); // error of the topic
    reader.text(); // its name
    reader.at += 1; // whether it is internal
    reader.each(() => mendPartition(reader));
  });
}

function mendPartition(reader: Reader): void {
  const { at } = reader;
  const complaint = reader.int16();
  reader.int32(); // partition
  reader.int32(); // leader
  for (const _ of ['replicas', 'in sync', 'offline']) reader.each(() => reader.int32());
  if (complaints.has(complaint)) reader.bytes.writeInt16BE(0, at);
}

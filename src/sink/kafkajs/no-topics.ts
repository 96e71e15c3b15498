/**
 * Where kafkajs means to ask for no topic (`describeCluster`, `describeConfigs`), it asks for all:
 * it writes an empty list as null. One partition without a leader, of any topic of the cluster,
 * then fails the question, and a large cluster answers with megabytes. So such a request is mended
 * on its way to the socket.
 */

const metadata = 3;
/** In version 0 an empty list means all topics; above 6, kafkajs speaks none. */
const versions = [1, 6] as const;
/** From this one on, whether to create topics follows the list: one byte. */
const firstWithCreation = 4;
const allTopics = -1;

/** Changes a request for the metadata of all topics to one for none; leaves every other one. */
export function askForNoTopics(request: unknown): void {
  if (!Buffer.isBuffer(request) || request.length < 14) return;
  const [key, version] = [request.readInt16BE(4), request.readInt16BE(6)];
  if (key !== metadata || version < versions[0] || version > versions[1]) return;
  const at = 14 + Math.max(0, request.readInt16BE(12)); // size, key, version, number, client id
  const end = at + 4 + (version >= firstWithCreation ? 1 : 0);
  // A list with topics in it makes the request longer.
  if (request.length !== end || request.readInt32BE(0) !== end - 4) return;
  if (request.readInt32BE(at) === allTopics) request.writeInt32BE(0, at);
}

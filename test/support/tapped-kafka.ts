/** A broker behind a proxy that reads along, which every client must use. */
import { KafkaBroker } from './kafka.ts';
import { KafkaTap } from './kafka-tap.ts';
import { freePort } from './ports.ts';
import { TcpProxy } from './proxy.ts';

export class TappedKafka {
  readonly tap: KafkaTap;
  readonly kafka: KafkaBroker;
  readonly #network: TcpProxy;

  private constructor(tap: KafkaTap, kafka: KafkaBroker, network: TcpProxy) {
    this.tap = tap;
    this.kafka = kafka;
    this.#network = network;
  }

  static async start(): Promise<TappedKafka> {
    const tap = new KafkaTap();
    const network = await TcpProxy.listen(await freePort(), tap.join);
    try {
      const kafka = await KafkaBroker.start({ advertised: network.address });
      network.forwardTo(kafka.container.port);
      return new TappedKafka(tap, kafka, network);
    } catch (error) {
      await network.close();
      throw error;
    }
  }

  /** Where clients reach it. */
  get address(): string {
    return this.#network.address;
  }

  /** For good. */
  async stop(): Promise<void> {
    await this.kafka.stop();
    await this.#network.close();
  }
}

/** A real Kerberos KDC in a container, with the files that a broker and a client need of it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Container, copyOut } from '../container.ts';
import { kdcImage } from '../images.ts';
import { freePort } from '../ports.ts';

const realm = 'OUTBOX.TEST';
const broker = 'kafka/localhost';
const client = 'relay';

/** Paths. */
export interface KerberosFiles {
  /** For `KRB5_CONFIG`. */
  readonly config: string;
  readonly brokerKeytab: string;
  readonly keytab: string;
  /** Of the same principal, from before it got new keys. */
  readonly staleKeytab: string;
  /** With a ticket of the same principal, as kinit leaves it. */
  readonly credentialCache: string;
}

export class Kdc {
  /** First part of the broker's principal; its host is localhost. */
  readonly service = 'kafka';
  readonly brokerPrincipal = `${broker}@${realm}`;
  readonly principal = `${client}@${realm}`;
  readonly files: KerberosFiles;
  readonly container: Container;

  private constructor(container: Container, files: KerberosFiles) {
    this.container = container;
    this.files = files;
  }

  /**
   * Sets `KRB5_CONFIG` of this process, which child processes inherit; `stop` takes it away.
   * @param folder gets the files
   */
  static async start(folder: string): Promise<Kdc> {
    const port = await freePort();
    const container = await Container.start({
      image: kdcImage(),
      ports: [port],
      environment: {
        KDC_REALM: realm,
        KDC_PORT: String(port),
        // The client's second keytab makes its first one stale.
        KDC_PRINCIPALS: `${broker} ${client} ${client}`,
      },
      isReady: async () => true, // it listens when it is complete
    });
    try {
      const file = (name: string) => join(folder, name);
      const files = {
        config: file('krb5.conf'),
        brokerKeytab: file('broker.keytab'),
        keytab: file('relay.keytab'),
        staleKeytab: file('stale.keytab'),
        credentialCache: file('relay.ccache'),
      };
      writeFileSync(files.config, clientConfig(port));
      const copies = [files.brokerKeytab, files.staleKeytab, files.keytab].map((to, index) =>
        copyOut(container, `/keytabs/${index + 1}.keytab`, to),
      );
      const kdc = new Kdc(container, files);
      await Promise.all([...copies, kdc.kinit(files.credentialCache)]);
      process.env['KRB5_CONFIG'] = files.config;
      return kdc;
    } catch (error) {
      await container.remove();
      throw error;
    }
  }

  /** Writes a credential cache with a fresh ticket, as a user's or a timer's kinit does. */
  async kinit(to: string, lifetimeSeconds = 3_600): Promise<void> {
    const cache = `/tmp/${crypto.randomUUID()}`;
    const flags = ['-l', `${lifetimeSeconds}s`, '-k', '-t', '/keytabs/3.keytab', '-c', cache];
    await this.container.exec('kinit', ...flags, client);
    await copyOut(this.container, cache, to);
  }

  async stop(): Promise<void> {
    delete process.env['KRB5_CONFIG'];
    await this.container.remove();
  }
}

/** Nothing is looked up anywhere: the names in a ticket are those that were asked for. */
function clientConfig(port: number): string {
  return `[libdefaults]
  default_realm = ${realm}
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  udp_preference_limit = 1
[realms]
  ${realm} = {
    kdc = 127.0.0.1:${port}
  }
[domain_realm]
  localhost = ${realm}
`;
}

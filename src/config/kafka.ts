/** The options of TLS, login and compression: group `kafka`. */
import { z } from 'zod';
import { compressions, type Mechanism, mechanisms } from '../sink/security.ts';
import { facts, type OptionFacts } from './facts.ts';

type TextFacts = Pick<OptionFacts, 'description' | 'note' | 'value' | 'secret'>;

/** An option that is a text; `name` is its flag without `kafka-`. */
const text = (name: string, rest: TextFacts, fallback = 'none') =>
  z
    .string()
    .min(1)
    .max(4_096)
    .optional()
    .meta(facts({ ...rest, fallback, flag: `kafka-${name}` }));

const readAgain = 'Read again for each connection.';
const seenByAll =
  'As a flag it is seen by every user of the host: use the file or the environment.';
const withLogin = 'Only with PLAIN and SCRAM.';
const withEndpoint = 'Only with `tokenEndpoint`.';
const withKerberos = 'Only with GSSAPI.';

const tlsShape = {
  caFile: text(
    'ssl-ca-file',
    { description: `Certificates to trust, PEM. ${readAgain}`, value: 'FILE' },
    'those of Node.js',
  ),
  certFile: text('ssl-cert-file', {
    description: `Client certificate and its chain, PEM: mutual TLS. ${readAgain}`,
    note: 'Only with `keyFile`.',
    value: 'FILE',
  }),
  keyFile: text('ssl-key-file', {
    description: `Key of the client certificate, PEM, encrypted or not. ${readAgain}`,
    note: 'Only with `certFile`.',
    value: 'FILE',
  }),
  keyPassword: text('ssl-key-password', {
    description: 'Password of an encrypted `keyFile`.',
    note: seenByAll,
    value: 'TEXT',
    secret: true,
  }),
  keyPasswordFile: text('ssl-key-password-file', {
    description: `File with that password, instead of \`keyPassword\`. ${readAgain}`,
    value: 'FILE',
  }),
  checkHostname: z
    .boolean()
    .optional()
    .meta(
      facts({
        description: 'Whether the broker’s certificate must have the name it was reached by.',
        fallback: 'true',
        note: 'The certificate’s signatures and dates are verified in any case.',
        flag: 'kafka-ssl-check-hostname',
        value: 'true|false',
      }),
    ),
};

/** In either case; the type of what is given would be lost in the conversion. */
const mechanism = z.preprocess(
  (given) => (typeof given === 'string' ? given.toUpperCase() : given),
  z.enum(mechanisms),
) as unknown as z.ZodType<Mechanism, Mechanism | Lowercase<Mechanism>>;

const loginShape = {
  mechanism: mechanism.optional().meta(
    facts({
      description: 'How to log in; upper or lower case.',
      fallback: 'none, must be given with any other of `kafka.sasl`',
      flag: 'kafka-sasl-mechanism',
      value: 'NAME',
    }),
  ),
  username: text('sasl-username', { description: 'User.', note: withLogin, value: 'NAME' }),
  password: text('sasl-password', {
    description: 'Password.',
    note: `${withLogin} ${seenByAll}`,
    value: 'TEXT',
    secret: true,
  }),
  passwordFile: text('sasl-password-file', {
    description: `File with the password, instead of \`password\`. ${readAgain}`,
    note: withLogin,
    value: 'FILE',
  }),
  tokenEndpoint: z
    .url({ protocol: /^https?$/, error: 'must be an http:// or https:// URL' })
    .optional()
    .meta(
      facts({
        description: 'OIDC token endpoint, asked for client credentials at each login.',
        fallback: 'none',
        note: 'Only with OAUTHBEARER. With `http://` the secret is sent in clear.',
        flag: 'kafka-sasl-token-endpoint',
        value: 'URL',
        secret: 'url',
      }),
    ),
  clientId: text('sasl-client-id', {
    description: 'Client of the token endpoint.',
    note: withEndpoint,
    value: 'ID',
  }),
  clientSecret: text('sasl-client-secret', {
    description: 'Its secret.',
    note: `${withEndpoint} ${seenByAll}`,
    value: 'TEXT',
    secret: true,
  }),
  clientSecretFile: text('sasl-client-secret-file', {
    description: 'File with that secret, instead of `clientSecret`. Read again at each login.',
    note: withEndpoint,
    value: 'FILE',
  }),
  scope: text('sasl-scope', {
    description: 'Scope to ask for.',
    note: withEndpoint,
    value: 'TEXT',
  }),
  tokenFile: text('sasl-token-file', {
    description: 'File with a token that something else keeps fresh. Read again at each login.',
    note: 'Only with OAUTHBEARER, instead of `tokenEndpoint`.',
    value: 'FILE',
  }),
  tokenCaFile: text(
    'sasl-token-ca-file',
    {
      description: 'Certificates to trust at the token endpoint, PEM. Read again at each login.',
      note: withEndpoint,
      value: 'FILE',
    },
    'those of Node.js',
  ),
  service: text(
    'sasl-service',
    {
      description: 'First part of the broker’s principal, `service/host@REALM`.',
      note: withKerberos,
      value: 'NAME',
    },
    'kafka',
  ),
  principal: text(
    'sasl-principal',
    { description: 'The relay’s principal.', note: withKerberos, value: 'NAME' },
    'the credential cache’s, or the first of the keytab',
  ),
  keytab: text(
    'sasl-keytab',
    { description: 'Keytab to log in with.', note: withKerberos, value: 'FILE' },
    'what the environment says (`KRB5_CLIENT_KTNAME`)',
  ),
  credentialCache: text(
    'sasl-credential-cache',
    {
      description: 'Credential cache with a ticket, instead of `keytab`.',
      note: withKerberos,
      value: 'FILE',
    },
    'what the environment says (`KRB5CCNAME`)',
  ),
};

const kafkaShape = {
  ssl: z
    .union([z.boolean(), z.strictObject(tlsShape)], {
      error: 'must be true, false or options by name',
    })
    .optional()
    .meta(
      facts({
        description:
          'TLS to the brokers. `true` verifies them by the certificates of Node.js; any option ' +
          'of `kafka.ssl` switches it on as well.',
        fallback: 'false',
        flag: 'kafka-ssl',
        value: 'true|false',
        group: true,
      }),
    ),
  sasl: z.strictObject(loginShape).optional(),
  compression: z
    .enum(compressions)
    .optional()
    .meta(
      facts({
        description: 'How records are compressed, a batch per partition at a time.',
        fallback: 'none',
        flag: 'kafka-compression',
        value: 'NAME',
      }),
    ),
};

export const kafkaGroup = z.strictObject(kafkaShape).optional();
export type KafkaOptions = NonNullable<z.output<typeof kafkaGroup>>;

/** The environment variables, in one table: name, the config key each sets, and how it is read. */
import { misfit, suggestion } from './problems.ts';
import type { Problem } from './problems.ts';
import { SAMPLERS } from './types.ts';

/** How a variable's text becomes a value. */
type Kind = 'text' | 'list' | 'flag' | 'number' | 'share' | 'sampler' | 'headers' | 'name-or-flag';

/** Its name, and the key of the config file that it stands for. */
export interface EnvironmentVariable {
  readonly name: string;
  /** Dotted key of the config file that it sets; absent where none does. */
  readonly key?: string;
  readonly kind: Kind;
  readonly text: string;
}

/** A variable that all programs with OpenTelemetry have. */
const standard = (name: string, key: string, kind: Kind, text: string): EnvironmentVariable => ({
  name: `OTEL_${name}`,
  key: `telemetry.${key}`,
  kind,
  text,
});

const row = (name: string, key: string, kind: Kind, text: string): EnvironmentVariable => ({
  name: `STARLING_${name}`,
  key,
  kind,
  text,
});

/** Every environment variable that Starling reads. */
export const ENVIRONMENT: readonly EnvironmentVariable[] = [
  { name: 'STARLING_CONFIG', kind: 'text', text: 'Config file.' },
  {
    name: 'STARLING_NODE',
    kind: 'text',
    text: 'Name of one of your nodes on this machine, in place of its state folder.',
  },
  { name: 'STARLING_PASSPHRASE', kind: 'text', text: "Passphrase of the node's key." },
  { name: 'STARLING_PASSPHRASE_FILE', kind: 'text', text: 'File with that passphrase.' },
  row('STATE_DIR', 'stateDir', 'text', 'State folder.'),
  row('NAME', 'name', 'text', 'Name of this node in the mesh.'),
  row('LISTEN', 'listen', 'list', 'Multiaddrs to listen on, separated by commas.'),
  row('ANNOUNCE', 'announce', 'list', 'Multiaddrs to tell others, separated by commas.'),
  row('BOOTSTRAP', 'bootstrap', 'list', 'Multiaddrs of peers to join through.'),
  row('JOIN', 'join', 'text', 'Ticket to join with; keeps it out of the argument list.'),
  row(
    'OPEN',
    'open',
    'name-or-flag',
    'Open mesh to found or join: its name, true (`open`) or false.',
  ),
  row('MESH_NAME', 'meshName', 'text', 'Name of the private mesh that is founded.'),
  row('MDNS', 'mdns', 'flag', 'Multicast DNS: true or false.'),
  row('UPNP', 'upnp', 'flag', 'Ports opened by the router: true or false.'),
  row('RELAY', 'relay', 'flag', 'Relaying: true or false.'),
  row('HTTP', 'http.enabled', 'flag', 'HTTP endpoint: true or false.'),
  row('HTTP_HOST', 'http.host', 'text', 'Address of the HTTP endpoint.'),
  row('HTTP_PORT', 'http.port', 'number', 'Port of the HTTP endpoint; 0 picks a free one.'),
  row('HTTP_ALLOWED_HOSTS', 'http.allowedHosts', 'list', 'Host header values let in.'),
  row('HTTP_ALLOWED_ORIGINS', 'http.allowedOrigins', 'list', 'Origins of web pages let in.'),
  row('HTTP_ALLOWED_ADDRESSES', 'http.allowedAddresses', 'list', 'Addresses callers come from.'),
  row('HTTP_TLS_CERT', 'http.tls.cert', 'text', 'PEM file with the certificate.'),
  row('HTTP_TLS_KEY', 'http.tls.key', 'text', 'PEM file with the private key.'),
  row('HTTP_TLS_CA', 'http.tls.ca', 'text', 'PEM file with the authorities of clients.'),
  row('HTTP_TLS_CLIENT_AUTH', 'http.tls.clientAuth', 'text', '`require`: mutual TLS.'),
  row('HTTP_OAUTH_ISSUER', 'http.oauth.issuer', 'text', 'OAuth authorization server.'),
  row('HTTP_OAUTH_AUDIENCE', 'http.oauth.audience', 'text', 'URL that tokens are issued for.'),
  row('HTTP_OAUTH_JWKS_URI', 'http.oauth.jwksUri', 'text', "The authorization server's keys."),
  row('TCP', 'tcp.enabled', 'flag', 'TCP endpoint: true or false.'),
  row('TCP_HOST', 'tcp.host', 'text', 'Address of the TCP endpoint.'),
  row('TCP_PORT', 'tcp.port', 'number', 'Port of the TCP endpoint; 0 picks a free one.'),
  row('MAX_AGENTS', 'agents.max', 'number', 'Processes of agents that run at a time.'),
  row('AGENT_TIMEOUT_MS', 'agents.timeoutMs', 'number', 'How long one message may take an agent.'),
  row('AUDIT', 'audit.enabled', 'flag', 'Audit log: true or false.'),
  row('AUDIT_RETENTION', 'audit.retention', 'text', 'How long it is kept, like 90d.'),
  row('AUDIT_SEGMENT_BYTES', 'audit.segmentBytes', 'number', 'Size of its files.'),
  row('AUDIT_SYNC', 'audit.sync', 'text', '`batch` or `always`.'),
  row('HEARTBEAT_MS', 'heartbeat.intervalMs', 'number', 'Time between heartbeats.'),
  row('KEEP_ALIVE_MS', 'keepAlive.intervalMs', 'number', 'Time between signs of life to clients.'),
  row('RETRY_ATTEMPTS', 'retry.attempts', 'number', 'New starts of a server that fails; 0 all.'),
  row('RETRY_DELAY_MS', 'retry.delayMs', 'number', 'Pause before the first of them.'),
  row('RETRY_DELAY_MAX_MS', 'retry.delayMaxMs', 'number', 'Longest pause between them.'),
  row('MESSAGE_BYTES', 'limits.messageBytes', 'number', 'Largest MCP message.'),
  row('REQUESTS_PER_SECOND', 'limits.requestsPerSecond', 'number', 'Requests of one caller.'),
  row('CALL_TIMEOUT_MS', 'limits.callTimeoutMs', 'number', 'Longest call without progress.'),
  row('LOG', 'log.level', 'text', 'Log levels, like `info,gateway=debug`.'),
  row('LOG_FILE', 'log.file', 'text', 'Log file.'),
  standard('EXPORTER_OTLP_ENDPOINT', 'otlp.endpoint', 'text', 'Collector of traces.'),
  standard(
    'EXPORTER_OTLP_HEADERS',
    'otlp.headers',
    'headers',
    'Headers for the collector: `name=value`, separated by commas.',
  ),
  standard('SERVICE_NAME', 'serviceName', 'text', 'Name of the node in traces.'),
  standard('TRACES_SAMPLER', 'sampler', 'sampler', 'Which calls are kept in traces.'),
  standard('TRACES_SAMPLER_ARG', 'ratio', 'share', 'Share of the traces that is kept: 0 to 1.'),
];

/** What the environment sets, by dotted key. What is wrong goes to `problems`. */
export function readEnvironment(
  env: NodeJS.ProcessEnv,
  problems: Problem[],
): ReadonlyMap<string, unknown> {
  const values = new Map<string, unknown>();
  const known = ENVIRONMENT.map((variable) => variable.name);
  for (const [name, text] of Object.entries(env)) {
    const isOurs = name.startsWith('STARLING_');
    if (!(isOurs || name.startsWith('OTEL_')) || text === undefined || text === '') continue;
    const variable = ENVIRONMENT.find((candidate) => candidate.name === name);
    if (variable === undefined && !isOurs) continue;
    if (variable === undefined) {
      problems.push({ key: name, text: `unknown environment variable${suggestion(name, known)}` });
    } else if (variable.key !== undefined) {
      const value = readValue(variable.kind, text);
      if (value !== undefined) values.set(variable.key, value);
      // What is set for other programs as well, and is no word of ours, is passed over, as OpenTelemetry has it.
      else if (isOurs) problems.push(misfit(name, text, FORMS[variable.kind]));
    }
  }
  return values;
}

const FORMS: Readonly<Record<Kind, string>> = {
  text: 'text',
  list: 'values separated by commas',
  flag: 'true or false',
  number: 'a whole number',
  share: 'a number from 0 to 1',
  sampler: SAMPLERS.join(', '),
  headers: 'name=value, separated by commas',
  'name-or-flag': 'a name, or true or false',
};

/** The value of a variable; undefined when the text does not have the form of its kind. */
function readValue(kind: Kind, text: string): unknown {
  switch (kind) {
    case 'list':
      return text.split(',').map((part) => part.trim());
    case 'number':
      return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
    case 'share':
      return /^(0(\.\d{1,15})?|1(\.0{1,15})?)$/.test(text) ? Number(text) : undefined;
    case 'sampler':
      return SAMPLERS.find((known) => known === text);
    case 'headers':
      return headersOf(text);
    case 'flag':
      return flagOf(text);
    case 'name-or-flag':
      return flagOf(text) ?? text;
    case 'text':
      return text;
  }
  return undefined;
}

/** As W3C Baggage writes them, without properties: values may be percent-encoded (OpenTelemetry, "OTLP Exporter Configuration"). */
function headersOf(text: string): Record<string, string> | undefined {
  const pairs = text.split(',').filter((part) => part.trim() !== '');
  const headers: Record<string, string> = {};
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    if (at < 1) return undefined;
    try {
      headers[pair.slice(0, at).trim()] = decodeURIComponent(pair.slice(at + 1).trim());
    } catch (error) {
      if (error instanceof URIError) return undefined;
      throw error;
    }
  }
  return headers;
}

function flagOf(text: string): boolean | undefined {
  if (/^(true|1|yes|on)$/i.test(text)) return true;
  return /^(false|0|no|off)$/i.test(text) ? false : undefined;
}

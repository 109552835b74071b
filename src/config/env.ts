/** The environment variables, in one table: name, the config key each sets, and how it is read. */
import { StarlingError } from '../core/index.ts';
import { nearest } from './nearest.ts';

/** How a variable's text becomes a value. */
type Kind = 'text' | 'list' | 'flag' | 'number' | 'name-or-flag';

/** One environment variable. */
export interface EnvironmentVariable {
  readonly name: string;
  /** Dotted key of the config file that it sets; absent for `STARLING_CONFIG`. */
  readonly key?: string;
  readonly kind: Kind;
  readonly text: string;
}

const row = (name: string, key: string, kind: Kind, text: string): EnvironmentVariable => ({
  name: `STARLING_${name}`,
  key,
  kind,
  text,
});

/** Every environment variable that Starling reads. */
export const ENVIRONMENT: readonly EnvironmentVariable[] = [
  { name: 'STARLING_CONFIG', kind: 'text', text: 'Config file.' },
  row('STATE_DIR', 'stateDir', 'text', 'State folder.'),
  row('NAME', 'name', 'text', 'Name of this node in the mesh.'),
  row('LISTEN', 'listen', 'list', 'Multiaddrs to listen on, separated by commas.'),
  row('ANNOUNCE', 'announce', 'list', 'Multiaddrs to tell others, separated by commas.'),
  row('BOOTSTRAP', 'bootstrap', 'list', 'Multiaddrs of peers to join through.'),
  row('JOIN', 'join', 'text', 'Ticket to join with; keeps it out of the argument list.'),
  row('OPEN', 'open', 'name-or-flag', 'Name of an open mesh to found or join (`true`: `open`).'),
  row('MESH_NAME', 'meshName', 'text', 'Name of the private mesh that is founded.'),
  row('MDNS', 'mdns', 'flag', 'Multicast DNS: true or false.'),
  row('RELAY', 'relay', 'flag', 'Relaying: true or false.'),
  row('HTTP', 'http.enabled', 'flag', 'HTTP endpoint: true or false.'),
  row('HTTP_HOST', 'http.host', 'text', 'Address of the HTTP endpoint.'),
  row('HTTP_PORT', 'http.port', 'number', 'Port of the HTTP endpoint; 0 picks a free one.'),
  row('HEARTBEAT_MS', 'heartbeat.intervalMs', 'number', 'Time between heartbeats.'),
  row('MESSAGE_BYTES', 'limits.messageBytes', 'number', 'Largest MCP message.'),
  row('CALL_TIMEOUT_MS', 'limits.callTimeoutMs', 'number', 'Longest call without progress.'),
  row('LOG', 'log.level', 'text', 'Log levels, like `info,gateway=debug`.'),
  row('LOG_FILE', 'log.file', 'text', 'Log file.'),
];

/** What the environment sets, as dotted keys and values. @throws STARLING_CONFIG_INVALID */
export function readEnvironment(env: NodeJS.ProcessEnv): ReadonlyMap<string, unknown> {
  const values = new Map<string, unknown>();
  const known = ENVIRONMENT.map((variable) => variable.name);
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith('STARLING_') || text === undefined || text === '') continue;
    const variable = ENVIRONMENT.find((candidate) => candidate.name === name);
    if (variable === undefined) {
      const meant = nearest(name, known);
      throw new StarlingError('STARLING_CONFIG_INVALID', `unknown environment variable ${name}`, {
        hint: meant === undefined ? `known are ${known.join(', ')}` : `did you mean ${meant}?`,
      });
    }
    if (variable.key !== undefined) values.set(variable.key, readValue(variable, text));
  }
  return values;
}

function readValue(variable: EnvironmentVariable, text: string): unknown {
  const wrong = (allowed: string): StarlingError =>
    new StarlingError(
      'STARLING_CONFIG_INVALID',
      `environment variable ${variable.name}: '${text}' can't be used; allowed: ${allowed}`,
    );
  switch (variable.kind) {
    case 'text':
      return text;
    case 'list':
      return text.split(',').map((part) => part.trim());
    case 'number':
      if (!/^\d+$/.test(text)) throw wrong('a whole number');
      return Number(text);
    case 'flag':
      if (/^(true|1|yes|on)$/i.test(text)) return true;
      if (/^(false|0|no|off)$/i.test(text)) return false;
      throw wrong('true or false');
    case 'name-or-flag':
      return /^(true|1)$/i.test(text) ? true : text;
  }
}

/** `docs/reference/environment.md`: every variable that Starling reads, and the names that others use. */
import { ENVIRONMENT } from '../../config/env.ts';
import { configKeys } from './configuration.ts';
import { code, page, sentence, table } from './markdown.ts';

/** A variable of the documents that Starling was made from, and what takes its place here. */
export interface DocumentName {
  readonly name: string;
  /** Our variable of the same meaning; absent where there is none. */
  readonly ours?: string;
  /** How the two differ, or why there is none. */
  readonly text?: string;
}

/** Variables that the documents name, with ours or the reason why there is none. */
export const DOCUMENT_NAMES: readonly DocumentName[] = [
  { name: 'AGENT_ID', ours: 'STARLING_NAME' },
  { name: 'HEARTBEAT_INTERVAL', ours: 'STARLING_HEARTBEAT_MS' },
  { name: 'LOG_LEVEL', ours: 'STARLING_LOG' },
  { name: 'MCP_LOG_LEVEL', ours: 'STARLING_LOG' },
  { name: 'MCP_LOG_FILE', ours: 'STARLING_LOG_FILE' },
  { name: 'MCP_ENABLED', ours: 'STARLING_HTTP' },
  { name: 'MCP_PORT', ours: 'STARLING_HTTP_PORT' },
  { name: 'MCP_HOST', ours: 'STARLING_TCP_HOST' },
  { name: 'MCP_TCP_PORT', ours: 'STARLING_TCP_PORT' },
  {
    name: 'MCP_TRANSPORT',
    ours: 'STARLING_TCP',
    text: '`tcp` there is `true` here; HTTP, WebSocket and stdio need no choice.',
  },
  { name: 'MCP_TIMEOUT', ours: 'STARLING_CALL_TIMEOUT_MS' },
  {
    name: 'AGENT_TIMEOUT',
    ours: 'STARLING_AGENT_TIMEOUT_MS',
    text: 'Seconds there, milliseconds here.',
  },
  {
    name: 'MCP_RETRY_ATTEMPTS',
    ours: 'STARLING_RETRY_ATTEMPTS',
    text: 'Not the same. There: how often an operation that failed is tried again, 3 by default. Here: how often a server that failed is started again, by default without an end (0). No call is sent again because of it.',
  },
  {
    name: 'MAX_RETRIES',
    ours: 'STARLING_RETRY_ATTEMPTS',
    text: 'Links to peers are made again as long as the node runs.',
  },
  {
    name: 'MCP_RETRY_DELAY',
    ours: 'STARLING_RETRY_DELAY_MS',
    text: 'Not the same. There: the pause before the first new try of an operation, 100 ms by default. Here: the pause before the first new start of a server, 1,000 ms by default.',
  },
  {
    name: 'MCP_KEEPALIVE',
    ours: 'STARLING_KEEP_ALIVE_MS',
    text: 'Seconds there, milliseconds here.',
  },
  {
    name: 'NATS_URL',
    ours: 'STARLING_BOOTSTRAP',
    text: 'There is no broker: any member will do, given as a multiaddr, or a ticket in `STARLING_JOIN`.',
  },
  {
    name: 'MCP_POOL_SIZE',
    text: 'One session multiplexes all calls of a caller, so that there is no pool of connections. What bounds them: `limits.callsPerSession` and `limits.instances`.',
  },
  {
    name: 'MCP_POOL_MIN',
    text: 'As above: no pool, so none is kept warm. An unused instance of a server stays for `idleTimeout`.',
  },
  {
    name: 'MAX_AGENTS',
    ours: 'STARLING_MAX_AGENTS',
    text: 'How many whoever spawns them may have is for the policy file to say (`max_replicas`).',
  },
  {
    name: 'JWT_SECRET',
    text: 'None is shared: each node signs with a key of its own, and HTTP clients have keys (`starling key create`) or tokens of an authorization server (`http.oauth`).',
  },
  {
    name: 'ANTHROPIC_API_KEY',
    text: 'A provider names it: `"keyFrom": "env:ANTHROPIC_API_KEY"` in `models.providers`; so may the `env` of a server.',
  },
  {
    name: 'CLAUDE_MODEL',
    text: 'No variable: whoever asks names the model, or `models.routes` in the configuration chooses one.',
  },
];

/** Variables of others that Starling heeds. */
const OTHERS: readonly (readonly [name: string, text: string])[] = [
  [
    'HOME',
    'Folder of the user, in which config file and state folder are by default (on Windows `APPDATA` and `LOCALAPPDATA`).',
  ],
  ['XDG_CONFIG_HOME', 'Folder of the config file; default `~/.config`.'],
  ['XDG_STATE_HOME', 'Folder of the state folder; default `~/.local/state`.'],
  ['CLAUDE_CONFIG_DIR', 'Where `starling connect claude-code` and `mcp import` look for its file.'],
  ['PATH', 'Where the commands of servers are looked for.'],
  ['NO_COLOR', 'No colours, whatever its value (no-color.org); nor with `TERM=dumb`.'],
];

/** `docs/reference/environment.md`, from the variables that the config reads. */
export function environmentPage(): string {
  const defaults = new Map(configKeys().map((one) => [one.key, one.default]));
  return page(
    'Environment',
    [
      'Variables that a node and the commands read. They win over the config file; the command line wins',
      'over them. An empty variable says nothing, and one that begins with `STARLING_` and is not in this',
      'table is refused. Of `OTEL_` variables, which other programs read as well, one that fits no form is passed over. The last column has the names that other systems give to the same thing, or to what comes nearest; the table below says what differs.',
    ].join('\n'),
    [
      table(
        ['variable', 'key of the config file', 'default', 'what it sets', 'elsewhere called'],
        ENVIRONMENT.map(({ name, key = '', text }) => [
          code(name),
          code(key),
          code(defaults.get(key) ?? ''),
          sentence(text),
          namesOf(name).map(code).join(', '),
        ]),
      ),
      '## Names of other systems',
      table(
        ['elsewhere', 'here', ''],
        DOCUMENT_NAMES.map(({ name, ours = '', text = 'The same.' }) => [
          code(name),
          code(ours) || 'none',
          text,
        ]),
      ),
      '## Variables of others that are heeded',
      table(
        ['variable', 'what for'],
        OTHERS.map(([name, text]) => [code(name), text]),
      ),
    ],
  );
}

function namesOf(ours: string): readonly string[] {
  return DOCUMENT_NAMES.filter((one) => one.ours === ours).map(({ name }) => name);
}

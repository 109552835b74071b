/**
 * The floors of the house, written down once. `architecture.test.ts` holds the code to this table,
 * `docs/architecture.md` explains the rooms. The first line is the ground.
 */

/** Rooms from the ground up: a room imports from rooms of earlier lines only, never from its own line. */
export const FLOORS: readonly (readonly string[])[] = [
  ['core'],
  ['identity', 'store', 'config'],
  ['secrets', 'network', 'grants', 'audit'],
  ['mesh'],
  ['membership', 'blackboard'],
  ['directory', 'guard'],
  ['budget'],
  ['gateway'],
  ['models'],
  ['builtin', 'agents', 'contexts'],
  ['tasks', 'learning', 'proposals'],
  ['thinking'],
  ['swarms'],
  ['orchestration', 'metrics', 'traces', 'healing'],
  ['dashboard'],
  ['identity-state.ts', 'leaving.ts', 'own-name.ts'],
  ['rotation'],
  ['open-state.ts'],
  ['node-thinking-parts.ts', 'node-proposal-parts.ts'],
  ['node-peer-parts.ts', 'node-agent-parts.ts', 'node-model-parts.ts'],
  ['node-rooms.ts'],
  ['node-metrics.ts', 'node-process-parts.ts'],
  ['node-tools.ts', 'node-gateway-parts.ts'],
  ['node-parts.ts'],
  ['node-wiring.ts'],
  ['node-types.ts', 'node-config.ts'],
  ['node-leaving.ts'],
  ['node.ts'],
  ['cli', 'index.ts', 'testing.ts'],
];

/**
 * Floors inside the rooms that have folders, in the same manner: a folder or file imports from
 * earlier lines, and each folder's own files may import each other. `*` is every flat file
 * that is not named; they count as one folder. `index.ts` is the room's door and always on top. A room that is not named here may have no folders.
 */
export const FOLDERS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  core: [['visible-ascii.ts'], ['time', 'json'], ['words'], ['*'], ['system']],
  grants: [['types.ts'], ['format'], ['chain'], ['use'], ['book']],
  guard: [
    ['types.ts'],
    ['principal-names.ts', 'allowance.ts'],
    ['caller-chain.ts'],
    ['policy'],
    ['approvals'],
    ['decision', 'guardian'],
    ['governance.ts', 'audit-events.ts'],
  ],
  network: [
    ['types.ts', 'constants.ts', 'abort.ts', 'failure-words.ts', 'peer-id.ts', 'pause-reading.ts'],
    ['streams', 'addresses', 'limits'],
    ['admission', 'gossip'],
    ['host', 'links'],
    ['dialing'],
    ['reach'],
    ['*'],
  ],
  config: [
    ['server-types.ts', 'secret-name.ts'],
    ['agent-types.ts', 'model-types.ts'],
    ['types.ts'],
    ['schema'],
    ['problems.ts'],
    ['servers'],
    ['*'],
  ],
  audit: [['types.ts'], ['format.ts'], ['checkpoint.ts'], ['segments'], ['*']],
  mesh: [['types.ts', 'fingerprint.ts'], ['records'], ['tickets'], ['knocks'], ['*']],
  membership: [
    ['types.ts', 'aliases.ts'],
    ['audit', 'detection'],
    ['heartbeats'],
    ['peers'],
    ['roster'],
    ['*'],
  ],
  dashboard: [['*'], ['page']],
  directory: [['types.ts'], ['read-agents.ts', 'read-catalogs.ts'], ['documents'], ['*']],
  blackboard: [
    ['types.ts', 'limits.ts'],
    ['board-id.ts'],
    ['lanes'],
    ['access'],
    ['document'],
    ['disk'],
    ['board', 'quorum'],
    ['sync'],
    ['*'],
  ],
  budget: [['types.ts'], ['amounts.ts'], ['rows'], ['books'], ['sync'], ['*']],
  gateway: [
    ['frame-types.ts'],
    ['channel-types.ts'],
    ['server-condition.ts', 'inner-types.ts'],
    ['types.ts'],
    ['wire'],
    ['pins'],
    ['call-tasks'],
    ['clearance'],
    ['catalog'],
    ['builtin'],
    ['session'],
    ['door'],
    ['transports'],
    ['client'],
    ['upstreams'],
    ['gateway-components.ts'],
    ['gateway.ts'],
  ],
  agents: [
    ['types.ts', 'limits.ts', 'names.ts'],
    ['capabilities', 'inbox'],
    ['directory'],
    ['messages', 'events'],
    ['choosing'],
    ['*'],
    ['tools', 'run'],
    ['spread'],
    ['a2a'],
  ],
  models: [
    ['types.ts', 'names.ts', 'json-reading.ts'],
    ['stateless.ts'],
    ['read-call.ts', 'clearance.ts', 'usage', 'prices'],
    ['translate'],
    ['providers'],
    ['*'],
    ['door', 'mesh', 'routing'],
    ['batches', 'transcripts'],
    ['tools'],
    ['sampling', 'replay'],
  ],
  tasks: [
    ['types.ts', 'limits.ts'],
    ['life'],
    ['rows.ts'],
    ['worker'],
    ['awards', 'durable'],
    ['*'],
    ['tools'],
  ],
  thinking: [['types.ts', 'limits.ts'], ['loop'], ['*'], ['agents', 'ask']],
  builtin: [['results'], ['results.ts'], ['grants'], ['boards'], ['budgets'], ['proposals'], ['*']],
  cli: [
    ['terminal'],
    ['options', 'client-files'],
    ['node'],
    ['checks'],
    ['commands'],
    ['groups'],
    ['program.ts'],
    // `reference` writes the tables of docs/reference; the program does not load it.
    ['reference', 'main.ts'],
  ],
};

/** Where each outside library, and each dangerous module of Node, may be imported. Paths below `src`. */
export const HOMES: Readonly<Record<string, readonly string[]>> = {
  '@a2a-js/sdk': ['gateway/transports/a2a/', 'agents/a2a/'],
  '@chainsafe/libp2p-gossipsub': ['network/'],
  '@libp2p/*': ['network/'],
  '@modelcontextprotocol/sdk': ['gateway/upstreams/oauth/'],
  // The pure reader of addresses: `config` checks what a person wrote.
  '@multiformats/multiaddr': ['network/', 'config/addresses.ts'],
  canonicalize: ['audit/', 'gateway/pins/', 'gateway/wire/'],
  cborg: ['network/', 'mesh/', 'membership/', 'blackboard/', 'store/', 'directory/', 'budget/'],
  'classic-level': ['store/'],
  commander: ['cli/'],
  diff: ['cli/terminal/', 'gateway/pins/'],
  jose: ['gateway/door/'],
  'jsonc-parser': ['cli/client-files/', 'config/'],
  libp2p: ['network/'],
  minisearch: ['gateway/catalog/', 'agents/choosing/search.ts', 'learning/similar.ts'],
  semver: ['agents/capabilities/'],
  multiformats: ['identity/', 'mesh/', 'network/host/dht-searches.ts'],
  picocolors: ['cli/terminal/'],
  pino: ['core/logger.ts'],
  preact: ['dashboard/page/'],
  'prom-client': ['metrics/'],
  'string-width': ['cli/terminal/'],
  tweetnacl: ['identity/'],
  ws: ['core/system/node20.ts', 'gateway/client/', 'gateway/transports/'],
  yaml: ['guard/policy/'],
  yjs: ['blackboard/'],
  zod: [
    'agents/',
    'contexts/',
    'config/',
    'directory/',
    'models/replay/',
    'models/tools/',
    'guard/policy/',
    'gateway/builtin/',
    'builtin/',
    'tasks/',
    'swarms/',
    'orchestration/',
    'healing/',
    'thinking/ask/',
    'proposals/',
    'learning/',
    'dashboard/tools.ts',
    'metrics/',
  ],
  'node:child_process': ['gateway/upstreams/process/start-process.ts'],
  'node:cluster': [],
  'node:module': [],
  'node:vm': [],
  'node:worker_threads': [],
};

/** Rooms whose single files other rooms import: they are read before anything else has to load. */
export const OPEN_ROOMS: Readonly<Record<string, readonly string[]>> = {
  core: ['*'],
  // The command line starts quickly because it loads single files that pull nothing in.
  config: ['cli'],
  identity: ['cli'],
  proposals: ['cli'],
};

/** Files besides `index.ts` and `types.ts` that are doors of their room, for types only. */
export const TYPE_DOORS: readonly string[] = ['builtin/results.ts'];

/** Places where an answer or a call passes on its way: none of them reads a message by zod. */
export const CALL_PATH: readonly string[] = [
  'core/',
  'network/',
  'grants/',
  'guard/decision/',
  'gateway/wire/',
  'gateway/clearance/',
  'gateway/session/',
  'gateway/transports/',
  'gateway/upstreams/peer.ts',
  'gateway/upstreams/local-channel.ts',
  'gateway/upstreams/process/stdio.ts',
];

/** What may be loaded with a file at the latest: everything that it imports by value, directly or not. */
export const LOADED: Readonly<Record<string, readonly string[]>> = {
  // `starling --help`.
  'cli/main.ts': ['cli/', 'core/', 'commander'],
  // The page of the operator, a program of the browser: of the node it has types, and words.
  'dashboard/page/main.tsx': ['dashboard/page/', 'core/words/', 'core/json/', 'preact'],
};

/** What `sim/` may see of the product; what takes its time shows that as every command does. */
export const SIM_DOORS: readonly string[] = [
  'src/index.ts',
  'src/testing.ts',
  'src/cli/terminal/progress.ts',
];

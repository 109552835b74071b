/**
 * Words that people try because other programs have them, with the command of ours that does what is
 * meant. Letters alone would suggest what is near in spelling and far in meaning (`stop`: `status`).
 */

const STOP =
  'end the node with Ctrl-C where starling up runs, or by its process id, which starling nodes shows: kill <pid>';
const PUT_OUT = 'put a peer out of the mesh with: starling peers remove <peer>';
const UNINSTALL =
  'take a server out with: starling mcp remove <name>; end the service with: starling service uninstall';

/** What to do instead, by the words that were typed after `starling`. */
const MEANT: Readonly<Record<string, string>> = {
  add: 'add a server with: starling mcp add <name> -- <command>',
  admit: 'let in who asks to join with: starling members admit <name>',
  allow: 'let a peer call tools with: starling grant create <peer> --tool <server>/<tool>',
  'approvals list': 'see what waits for you with: starling approvals',
  'approvals ls': 'see what waits for you with: starling approvals',
  approve:
    'answer what waits for you with: starling approvals, then starling approvals approve <id>',
  ask: 'ask a peer for a right with: starling request <peer>/<tool> --because <why>',
  'audit list': 'look into the record with: starling audit query',
  'audit log': 'follow the record with: starling audit tail',
  'audit logs': 'follow the record with: starling audit tail',
  'audit show': 'look into the record with: starling audit query',
  ban: PUT_OUT,
  block: PUT_OUT,
  'board add': 'write an entry with: starling board set <board> <key> <value>',
  'board ls': 'list the boards with: starling board list',
  'board new': 'make a board with: starling board create <board>',
  'board put': 'write an entry with: starling board set <board> <key> <value>',
  'board remove': 'delete an entry with: starling board delete <board> <key>',
  'board rm': 'delete an entry with: starling board delete <board> <key>',
  'board show':
    'read one entry with: starling board get <board> <key>; all with: starling board list <board>',
  boards: 'read the boards with: starling board list',
  capabilities: 'see what you can call with: starling tools',
  check: 'find out what is wrong with: starling doctor',
  clients:
    'attach a client with: starling connect <client>; what clients may do stands in the policy file under callers',
  config: 'find out what is wrong with a config file with: starling doctor --config <file>',
  daemon: 'have the node run after a reboot with: starling service install',
  delegate: 'hand a grant on with: starling grant delegate <id> <peer>',
  deny: 'answer what waits for you with: starling approvals, then starling approvals deny <id>',
  disconnect: 'undo a connection with: starling connect <client> --remove',
  down: STOP,
  end: STOP,
  exec: 'call a tool with: starling call <tool>',
  exit: STOP,
  find: 'search the tools with: starling tools <word>',
  'grant add': 'make a grant with: starling grant create <peer> --tool <server>/<tool>',
  'grant end': 'end a grant with: starling grant revoke <id>',
  'grant new': 'make a grant with: starling grant create <peer> --tool <server>/<tool>',
  'grant remove': 'end a grant with: starling grant revoke <id>',
  health: 'find out what is wrong with: starling doctor',
  history: 'see who called what with: starling audit query',
  id: 'see who this node is with: starling identity show',
  'identity rm': "change the node's key with: starling identity rotate",
  import:
    'take over servers of your MCP clients with: starling mcp import; a grant with: starling grant import <text>',
  invoke: 'call a tool with: starling call <tool>',
  info: 'see the node with: starling status',
  init: 'start a node, which makes what it needs, with: starling up',
  install:
    'add a server with: starling mcp add <name> -- <command>; have the node run after a reboot with: starling service install',
  join: 'join a mesh with: starling up --join <ticket>',
  'key add': 'make a key with: starling key create <name>',
  'key delete': 'end a key with: starling key revoke <name>',
  'key new': 'make a key with: starling key create <name>',
  'key remove': 'end a key with: starling key revoke <name>',
  kick: PUT_OUT,
  kill: STOP,
  knock: 'ask a mesh of this network to let you in with: starling up --knock <mesh>',
  list: 'see what you can call with: starling tools',
  log: 'see who called what with: starling audit tail',
  login: 'log in to a server with: starling mcp login <server>',
  logout: 'log out of a server with: starling mcp logout <server>',
  logs: 'the node writes its log where starling up runs (starling up --log debug for more); see who called what with: starling audit tail',
  ls: 'see what you can call with: starling tools',
  'mcp delete': 'take a server out with: starling mcp remove <name>',
  'mcp servers': "see this node's servers with: starling mcp list",
  'mcp start':
    'a running node starts its servers by itself; add one with: starling mcp add <name> -- <command>',
  'mcp status': "see this node's servers with: starling mcp list",
  'members add': 'let somebody in with: starling invite',
  'members list': 'see who belongs to the mesh with: starling members',
  'members ls': 'see who belongs to the mesh with: starling members',
  'members invite': 'let somebody in with: starling invite',
  'members remove': PUT_OUT,
  'members rm': PUT_OUT,
  load: 'see what goes on with: starling top',
  mesh: 'see the mesh with: starling peers, and its name and words with: starling status',
  monitor: 'see what goes on with: starling top; in a browser: starling dashboard',
  new: 'start a node, which makes what it needs, with: starling up',
  'peers add': 'let somebody in with: starling invite',
  'peers block': PUT_OUT,
  'peers list': 'see who is there with: starling peers',
  'peers ls': 'see who is there with: starling peers',
  'peers invite': 'let somebody in with: starling invite',
  'peers ping': 'see how far away a peer is with: starling ping <peer>',
  permissions: 'see who may do what with: starling grant list',
  pins: 'see what is pinned with: starling pin list',
  'pin reject':
    'what is quarantined stays so until you approve it; end the server with: starling mcp remove <name>',
  'policy list': 'see what is in force with: starling policy show',
  'proposals list': 'see what agents propose with: starling proposals',
  'proposals ls': 'see what agents propose with: starling proposals',
  ps: 'see your nodes on this machine with: starling nodes',
  quit: `leave the mesh with: starling leave; ${STOP}`,
  reload:
    'a running node takes up its config file by itself when that changes; see: starling mcp list',
  remove: 'take a server out with: starling mcp remove <name>',
  restart: 'end the node with Ctrl-C where it runs, and start it again with: starling up',
  revoke: 'end a grant with: starling grant revoke <id>',
  rm: 'take a server out with: starling mcp remove <name>',
  rotate: "change the node's key with: starling identity rotate",
  run: 'start a node with: starling up; call a tool with: starling call <tool>',
  search: 'search the tools with: starling tools <word>',
  'secret add': 'set a secret with: starling secret set <name>',
  'secret delete': 'forget a secret with: starling secret remove <name>',
  'secret get': 'secrets are never shown; see which there are with: starling secret list',
  'secret show': 'secrets are never shown; see which there are with: starling secret list',
  serve: 'start a node with: starling up',
  server: "see this node's servers with: starling mcp list",
  servers: "see this node's servers with: starling mcp list",
  'service remove': 'end the service with: starling service uninstall',
  'service start': 'have the node run as a service with: starling service install',
  'service status': 'see the node with: starling status',
  'service stop': 'end the service with: starling service uninstall',
  share: 'let a peer call tools with: starling grant create <peer> --tool <server>/<tool>',
  show: 'see the node with: starling status',
  shutdown: STOP,
  start: 'start a node with: starling up',
  stats: 'see what goes on with: starling top',
  stop: STOP,
  test: 'find out what is wrong with: starling doctor',
  ticket: 'make a ticket with: starling invite',
  tickets: 'see which tickets are open with: starling members',
  token: 'make a key for one client with: starling key create <name>',
  trust: 'let a peer call tools with: starling grant create <peer> --tool <server>/<tool>',
  uninstall: UNINSTALL,
  view: 'see the node with: starling status',
  watch: 'follow a board with: starling board watch <board>; the record with: starling audit tail',
  who: 'see who is there with: starling peers',
  whoami: 'see who this node is with: starling identity show',
};

/**
 * Verbs that mean the same: whoever has learned one in one group tries it in the next. Of the second list a group has one or
 * another, the first of which is meant.
 */
const VERBS: readonly (readonly [typed: readonly string[], commands: readonly string[]])[] = [
  [
    ['show', 'info', 'status', 'get', 'view', 'inspect', 'describe', 'details'],
    ['show', 'info', 'status', 'get', 'stats', 'list'],
  ],
  [
    ['list', 'ls', 'all'],
    ['list', 'stats'],
  ],
  [
    ['remove', 'rm', 'delete', 'del', 'end', 'stop', 'kill', 'destroy', 'revoke', 'retire'],
    ['remove', 'delete', 'revoke', 'retire', 'dissolve', 'close', 'cancel', 'uninstall'],
  ],
  [
    ['new', 'create', 'add', 'make', 'start', 'submit'],
    ['create', 'add', 'run', 'set', 'submit', 'install'],
  ],
  [
    ['watch', 'tail', 'follow'],
    ['watch', 'tail'],
  ],
];

/** The one of `commands`, those of a group, that does what `verb` does in other groups; undefined where none does. */
export function sameVerb(verb: string, commands: readonly string[]): string | undefined {
  const [, same = []] = VERBS.find(([typed]) => typed.includes(verb)) ?? [];
  return same.find((one) => commands.includes(one));
}

/** What was meant by words that are no command; undefined when nobody can tell. */
export function meantBy(words: readonly string[]): string | undefined {
  for (const length of [2, 1]) {
    const typed = words.slice(0, length).join(' ');
    if (words.length >= length && Object.hasOwn(MEANT, typed)) return MEANT[typed];
  }
  return undefined;
}

/** All hints, for the test that pastes them. */
export const MEANT_HINTS: readonly string[] = Object.values(MEANT);

/**
 * Words that people try because other programs have them, with the command of ours that does what is
 * meant. Letters alone would suggest what is near in spelling and far in meaning (`stop`: `status`).
 */

/** What to do instead, by the words that were typed after `starling`. */
const MEANT: Readonly<Record<string, string>> = {
  add: 'add a server with: starling mcp add <name> -- <command>',
  capabilities: 'see what you can call with: starling tools',
  config: 'find out what is wrong with a config file with: starling doctor --config <file>',
  exec: 'call a tool with: starling call <tool>',
  init: 'start a node, which makes what it needs, with: starling up',
  join: 'join a mesh with: starling up --join <ticket>',
  list: 'see what you can call with: starling tools',
  log: 'see who called what with: starling audit tail',
  login: 'log in to a server with: starling mcp login <server>',
  logs: 'the node writes its log where starling up runs (starling up --log debug for more); see who called what with: starling audit tail',
  ls: 'see what you can call with: starling tools',
  ping: 'see how far away each peer is with: starling peers',
  kick: 'put a peer out of the mesh with: starling peers remove <peer>',
  quit: 'leave the mesh with: starling leave; end the node with Ctrl-C where starling up runs',
  revoke: 'end a grant with: starling grant revoke <id>',
  run: 'start a node with: starling up; call a tool with: starling call <tool>',
  serve: 'start a node with: starling up',
  servers: "see this node's servers with: starling mcp list",
  start: 'start a node with: starling up',
  stop: 'end the node with Ctrl-C where starling up runs, or by its process id, which starling status --json has as pid: kill <pid>',
  ticket: 'make a ticket with: starling invite',
  token: 'make a key for one client with: starling key create <name>',
  whoami: 'see who this node is with: starling identity show',
};

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

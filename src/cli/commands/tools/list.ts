/** `starling tools` */
import type { ListedByPeer, PeerSummary, PeersResult } from '../../../builtin/results.ts';
import { StarlingError } from '../../../core/errors.ts';
import type { JsonObject } from '../../../core/json/json.ts';
import type { NodeClient } from '../../node/client.ts';
import type { UpstreamStatus } from '../../../gateway/types.ts';
import { heldBack, heldLine } from './held-back.ts';
import { comingLines, grantedBy, silentServers } from './silent-servers.ts';
import { toolHelp } from './tool-help.ts';
import {
  ago,
  cut,
  forTerminal,
  print,
  printData,
  safeLine,
  table,
  tell,
} from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

const SUMMARY_MAX = 80;
const OWN = 'starling__';
/** A PeerId or a did:key, whose peer is called otherwise in names of tools. */
const KEY = /^(?:12D3Koo|did:key:)\w+$/;
const ASK =
  "  → ask a peer for some: starling request '<peer>/<server>/*' --because '<why>'; servers of this node: starling status";

/**
 * Prints the tools whose names contain `filter`, or all about the one tool that is called so. As JSON it gives what is called
 * just so: one tool, or all of a peer, by its name here or its key, or of a server.
 */
export async function run(typed: string | undefined, options: CommonOptions): Promise<void> {
  // As grants write it: files/*, files/read.
  const filter = typed?.replaceAll('/', '__').replace(/\*+$/, '');
  const { all, coming, granted, held, owner, peer, server } = await withNode(
    options,
    async (node) => {
      const listed = await node.tools();
      const isTalk = options.json !== true;
      const isThere = filter === undefined || isShown(filter, listed);
      const silent = isThere || !isTalk ? undefined : await peerOf(node, filter);
      return {
        all: listed,
        held: isTalk ? await heldBack(node) : [],
        coming: isTalk ? await comingLines(node) : [],
        owner: isTalk || filter === undefined ? undefined : await aliasOf(node, filter),
        peer: silent,
        granted: silent === undefined ? [] : await grantedBy(node, silent.alias),
        server: isThere || !isTalk ? undefined : await serverOf(node, filter),
      };
    },
  );
  const named = all.find((tool) => tool.name === filter);
  if (named !== undefined && options.json !== true) {
    print(toolHelp(named));
    return;
  }
  // The node's own tools come last: there are dozens, and people look for the others.
  const isMeant =
    options.json === true ? exactly(filter, owner) : meantBy(filter, [...all, ...held]);
  const isSilent = peer !== undefined || server !== undefined;
  const tools = (isSilent ? [] : all)
    .filter(isMeant)
    .toSorted((a, b) => Number(a.name.startsWith(OWN)) - Number(b.name.startsWith(OWN)));
  const lines = held.filter(isMeant).map(heldLine);
  printData({ tools }, options.json === true, () => {
    if (tools.length === 0 && lines.length === 0 && server !== undefined)
      return forTerminal(silentText(server), process.stdout);
    if (tools.length === 0) {
      return lines.length > 0
        ? lines.join('\n')
        : forTerminal(noneText(filter, peer, granted), process.stdout);
    }
    return table(
      ['TOOL', 'WHAT IT DOES'],
      tools.map((tool) => [tool.name, summary(tool.description)]),
      { flexible: 1 },
    );
  });
  if (tools.length > 0) for (const line of lines) tell(line);
  for (const line of coming) tell(line);
  // Below the list, which is long: whoever looks for the tools of a peer reads the end.
  const areOwn = tools.length > 0 && tools.every((tool) => tool.name.startsWith(OWN));
  if (areOwn && filter === undefined && options.json !== true) {
    tell(`these are the node's own: no server of this node and no peer gives it tools yet\n${ASK}`);
  }
}

/** What lists have of a tool. */
interface Named {
  readonly name: string;
}

/** Tells which are meant by a word: where it is a peer or a server, all of that one, and not `collaborate` by `lab`. */
function meantBy(word: string | undefined, all: readonly Named[]): (tool: Named) => boolean {
  if (word === undefined) return () => true;
  return all.some((tool) => isOf(word, tool))
    ? (tool) => isOf(word, tool)
    : ({ name }) => name.includes(word);
}

/** The same for programs, which have no use for what a word may mean: one tool, or all of one peer or server. */
function exactly(word: string | undefined, owner: string | undefined): (tool: Named) => boolean {
  if (word === undefined) return () => true;
  const start = `${word.replace(/_+$/, '')}__`;
  return (tool) =>
    tool.name === word ||
    tool.name.startsWith(start) ||
    isOf(word, tool) ||
    (owner !== undefined && tool.name.startsWith(`${owner}__`));
}

/** What the peer with the key `word` is called here, where it is one and the caller may see peers. */
async function aliasOf(node: NodeClient, word: string): Promise<string | undefined> {
  if (!KEY.test(word)) return undefined;
  const found = await peerWhere(node, {}, ({ did, peerId }) => did === word || peerId === word);
  return found?.alias;
}

/** Whether the tool is one of the peer, or of the server, that is called so. */
function isOf(word: string, { name }: Named): boolean {
  return name.split('__').slice(0, -1).includes(word);
}

/** Whether tools that are listed are what the word means: a word alone may be a peer or a server that shows none. */
function isShown(word: string, listed: readonly Named[]): boolean {
  if (listed.some((tool) => isOf(word, tool))) return true;
  return word.includes('__') && listed.some(({ name }) => name.includes(word));
}

/** A tool that nobody granted is not listed, and the reader can't tell that from one that is not there. */
function noneText(filter = '', peer: PeerSummary | undefined, granted: readonly string[]): string {
  if (peer !== undefined) {
    const { alias, lists, state } = peer;
    if (lists?.isCurrent === false) return awayText(peer, lists);
    const isHere = state === 'alive' || state === 'suspect';
    if (isHere && granted.length > 0) {
      return safeLine(
        `${alias} is here, and has granted ${granted.join(', ')}, but lists no such tool: its server may still be starting (there: starling status)`,
      );
    }
    return isHere
      ? safeLine(
          `${alias} is here, and lets this node use nothing yet: starling request '${alias}/<server>/*' --because '<why>'`,
        )
      : safeLine(`${alias} is away: what it lets this node use shows once it is back`);
  }
  return `no tool that you may call has '${safeLine(filter)}' in its name\n${ASK}`;
}

/** What a peer that is away lists to all members, as what it is. */
function awayText(
  { alias, lastHeartbeatAt }: PeerSummary,
  { agents, servers }: ListedByPeer,
): string {
  const when = lastHeartbeatAt === 0 ? '' : `, and was heard ${ago(lastHeartbeatAt)}`;
  const head = `${alias} is away${when}: nothing of it can be used until it is back. To all members it lists`;
  const rows = [
    ...servers.flatMap(({ server, tools, resources, templates, prompts }) => [
      ...tools.map(({ name, description }) => [
        `${alias}__${server}__${name}`,
        summary(description),
      ]),
      ...[...resources, ...templates].map((uri) => [uri, `resource of ${server}`]),
      ...prompts.map((name) => [`${alias}__${server}__${name}`, 'prompt']),
    ]),
    ...agents.map(({ name, capabilities }) => [
      `${name}@${alias}`,
      `agent: ${capabilities.join(', ')}`,
    ]),
  ];
  return `${safeLine(head)}\n${table(['NAME', 'WHAT IT DOES'], rows, { flexible: 1 })}`;
}

/** What a server lists shows once it is ready. */
function silentText({ server, state, error }: UpstreamStatus): string {
  const how = state === 'failed' ? `has failed: ${error ?? 'it says nothing'}` : `is ${state}`;
  return safeLine(`${server} ${how}; its tools show once it is ready: starling status`);
}

/** A server of this node by that name that lists nothing yet, where the caller may see that. */
async function serverOf(node: NodeClient, filter: string): Promise<UpstreamStatus | undefined> {
  const [name] = filter.split('__');
  return (await silentServers(node)).find(({ server }) => server === name);
}

/** The peer of that name, where the caller may see peers. */
async function peerOf(node: NodeClient, filter: string): Promise<PeerSummary | undefined> {
  const [alias = ''] = filter.split('__');
  return peerWhere(node, { listing: alias }, (one) => one.alias === alias);
}

async function peerWhere(
  node: NodeClient,
  asked: JsonObject,
  isMeant: (peer: PeerSummary) => boolean,
): Promise<PeerSummary | undefined> {
  try {
    const result = await node.builtin<Partial<PeersResult> | undefined>('peers', asked);
    return result?.peers?.find(isMeant);
  } catch (error) {
    if (error instanceof StarlingError) return undefined;
    throw error;
  }
}

function summary(description = ''): string {
  const line = description.trim().split('\n', 1)[0] ?? '';
  // A pipe gets data, whole.
  return process.stdout.isTTY ? cut(line, SUMMARY_MAX) : line;
}

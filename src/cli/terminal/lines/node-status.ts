/** The node's status as people read it: for `status`, and for the banner of `up`. */
import type { StatusResult } from '../../../builtin/results.ts';
import type { Warning } from '../../../core/health.ts';
import type { UpstreamStatus } from '../../../gateway/types.ts';
import { addressText, addressTexts, someOf } from '../../../core/words/address-text.ts';
import { ago, duration, facts, forTerminal, paint, safe, safeLine, sentence } from '../output.ts';
import { shellWord } from '../../../core/words/shell-word.ts';
import { withShortIds } from '../../../identity/short-id.ts';

/** Notes on one server that a person is shown. */
const NOTES_SHOWN = 10;
/** Places on one line. */
const ADDRESSES_SHOWN = 2;

/** How much of the status is shown. */
export interface StatusInit {
  /** Ids and multiaddrs whole, for whoever writes them down; they fit no narrow terminal. */
  readonly wide?: boolean;
}

type Facts = [label: string, value: string][];

/** Facts of the node, its servers, then what is wrong. */
export function describeStatus(status: StatusResult, { wide = false }: StatusInit = {}): string {
  const rows: Facts = [
    ['node', `${status.name} (pid ${status.pid}, up ${duration(Date.now() - status.startedAt)})`],
    ...(wide ? identityOf(status) : []),
    ...describeFormerly(status),
    ...meshFacts(status, wide),
    ['peers', peersText(status.peers)],
    ...describeOutside(status),
    ...describePorts(status),
    ...describeBoards(status),
    ...placesToAttach(status),
    ...describeDashboards(status),
    ...describeTraces(status),
  ];
  const servers = status.upstreams.filter((upstream) => upstream.kind !== 'builtin');
  return [
    facts(rows),
    ...(servers.length === 0 ? [noServers()] : servers.flatMap(describeServer)),
    ...describeWarnings(status),
  ].join('\n');
}

/** What a node says of itself when it starts: its peers and servers are told as they come. */
export function describeStart(status: StatusResult): string {
  return facts([
    ['node', `${status.name} (pid ${status.pid})`],
    ...identityOf(status),
    ...describeFormerly(status),
    ...meshFacts(status, false),
    ...placesToAttach(status),
  ]);
}

/** The config file that a node read when it last started, where it reads another or none now. */
export interface LastConfig {
  readonly file: string;
  /** By which `starling up` finds the node, with a space before. */
  readonly words: string;
}

/** The file is another than last time, and what stood in that one is gone. */
export function otherConfig({ file, words }: LastConfig): string {
  return `${paint.yellow('!')} ${safeLine(`last time this node read ${file}: starling up${words} --config ${shellWord(file)}`)}`;
}

/** Where there are no servers, how to have some. */
export function noServers(last?: LastConfig): string {
  if (last !== undefined) {
    const { file, words } = last;
    return safeLine(
      `servers      none: last time this node read ${file}: starling up${words} --config ${shellWord(file)}`,
    );
  }
  return paint.dim('servers      none: add one with: starling mcp add <name> -- <command>');
}

function identityOf(status: StatusResult): Facts {
  return [
    ['PeerId', status.peerId],
    ['identity', status.did],
  ];
}

function meshFacts({ addresses, mesh }: StatusResult, wide: boolean): Facts {
  const texts = addressTexts(addresses);
  const more = texts.length > ADDRESSES_SHOWN ? ' (starling status --wide)' : '';
  const places = wide ? addresses : [someOf(texts, ADDRESSES_SHOWN) + more];
  return [
    ['mesh', `${mesh.name} (${mesh.open ? 'open: anyone may join' : 'private'})`],
    ['fingerprint', mesh.fingerprint],
    ...places.map((place, index): Facts[number] => [index === 0 ? 'listening' : '', place]),
  ];
}

function placesToAttach({ endpoints, stateDir }: StatusResult): Facts {
  return [
    ['MCP', endpoints.url ?? 'no HTTP (starling mcp serves stdio)'],
    ...(endpoints.tcp === undefined ? [] : ([['MCP on TCP', endpoints.tcp]] satisfies Facts)),
    ['token', endpoints.tokenFile],
    ['state', stateDir],
  ];
}

/** Pages of the dashboard that are open, and how they end. */
function describeDashboards({ dashboards = [] }: StatusResult): Facts {
  return dashboards.map(({ from, openedAt, usedAt }, index): Facts[number] => [
    index === 0 ? 'dashboard' : '',
    safeLine(
      `open from ${from} since ${ago(openedAt)}, used ${ago(usedAt)} (end it: starling dashboard --close)`,
    ),
  ]);
}

/** Where spans of calls go, and what has become of them. */
function describeTraces({ traces }: StatusResult): Facts {
  if (traces === undefined) return [];
  const { to, sent, trouble, ...rest } = traces;
  const counts = [
    [rest.waiting, 'wait'],
    [rest.dropped, 'dropped'],
    [rest.rejected, 'rejected'],
    [rest.limited, 'calls left out as too many'],
  ] as const;
  const others = counts.filter(([count]) => count > 0).map(([count, what]) => `, ${count} ${what}`);
  const why = trouble === undefined ? '' : `; ${trouble}`;
  return [['traces', safeLine(`to ${to}: ${sent} spans sent${others.join('')}${why}`)]];
}

function peersText({ alive, suspect, dead, left }: StatusResult['peers']): string {
  const counted = [
    [alive, 'alive'],
    [suspect, 'suspect'],
    [dead, 'dead'],
    [left, 'stopped'],
  ] as const;
  const told = counted.filter(([count]) => count > 0).map(([count, state]) => `${count} ${state}`);
  return told.length === 0 ? 'none yet' : told.join(', ');
}

/** Of a node behind a router: where it is seen, and whether that lets anybody in. */
function describeOutside({ outside }: StatusResult): Facts {
  if (outside === undefined) return [];
  const { seenAt, found } = outside;
  const rows = found.map(({ address, by, why }) => {
    const place = addressText(address);
    return why === undefined
      ? `${by} got in at ${place}`
      : `${by} did not get in at ${place} (${why})`;
  });
  return [`behind a router, seen as ${seenAt.join(' and ')}`, ...rows].map(
    (text, index): Facts[number] => [index === 0 ? 'outside' : '', safeLine(text)],
  );
}

/** What routers were asked for by UPnP, and how to have them asked where nobody gets in. */
function describePorts({ outside, upnp }: StatusResult): Facts {
  const found = outside?.found ?? [];
  const isShut = found.length > 0 && found.every(({ why }) => why !== undefined);
  if (upnp === undefined) {
    return isShut
      ? [['UPnP', 'off: with upnp: true in the configuration the router is asked to open ports']]
      : [];
  }
  if (upnp.length === 0) return [['UPnP', 'no router was found yet']];
  return upnp.map(({ address, opened, router = '', why }, index): Facts[number] => {
    const done = opened.length === 0 ? [] : [`${router} has opened ${opened.join(', ')}`];
    const not = why === undefined ? [] : [`for ${address}: ${why}`];
    return [index === 0 ? 'UPnP' : '', safeLine([...done, ...not].join('; '))];
  });
}

/** Boards that come in, while they do. */
function describeBoards({ boardsComing = [] }: StatusResult): Facts {
  return boardsComing.map(({ board, ...coming }, index): Facts[number] => [
    index === 0 ? 'boards' : '',
    safeLine(`${board}: ${comingText(coming)}`),
  ]);
}

/** How much of a board is here that comes in: as `status` and `board info` say it. */
export function comingText({
  from,
  changes,
  of,
}: Omit<NonNullable<StatusResult['boardsComing']>[number], 'board'>): string {
  const percent = Math.floor((changes / of) * 100);
  return `${percent} % of ${of} changes from ${from} are here, and can be read`;
}

function describeFormerly({ formerly }: StatusResult): [string, string][] {
  if (formerly === undefined) return [];
  const untold = formerly.untold.map(safeLine).join(', ');
  const told = untold === '' ? 'all peers know' : `not told yet: ${untold}`;
  return [['formerly', `${formerly.did} (until ${ago(formerly.until)}; ${told})`]];
}

/** One server: how it does, and what to do where it does not. */
export function describeServer(server: UpstreamStatus): string[] {
  const name = safeLine(server.server);
  const tools = `${server.tools} ${server.tools === 1 ? 'tool' : 'tools'}`;
  if (server.state === 'ready' || server.state === 'idle') {
    const odd = server.error === undefined ? '' : ` (${safe(server.error)})`;
    const mark = server.notes === undefined ? paint.green('✓') : paint.yellow('✓');
    return [sentence(`${mark} ${name}  `, `${tools}${odd}`), ...describeNotes(server)];
  }
  const hint =
    server.hint === undefined ? [] : [forTerminal(`    → ${safe(server.hint)}`, process.stdout)];
  const mark = server.state === 'starting' ? paint.yellow('…') : paint.red('✗');
  const why = `${server.state}: ${safe(server.error ?? 'it has not answered yet')}`;
  return [sentence(`${mark} ${name}  `, why), ...hint];
}

/** What of the server's lists is not offered: the first few. */
function describeNotes({ notes = [] }: UpstreamStatus): string[] {
  const shown = notes
    .slice(0, NOTES_SHOWN)
    .map((note) => sentence(`    ${paint.yellow('!')} `, safe(note)));
  const rest = notes.length - shown.length;
  return rest === 0 ? shown : [...shown, `    and ${rest} more: starling status --json`];
}

/** The warnings that are not about a server: the list of servers has told those. */
export function describeWarnings({ upstreams, warnings }: StatusResult): string[] {
  const told = upstreams.map(({ server }) => `:${server}`);
  return warnings
    .filter(({ code }) => !told.some((end) => code.endsWith(end)))
    .flatMap((warning) => describeWarning(warning));
}

/** A lasting trouble, and what to do about it. */
export function describeWarning({ text, hint }: Warning, colours = paint): string[] {
  return [
    sentence(`${colours.yellow('!')} `, safe(withShortIds(text))),
    forTerminal(`    → ${safe(hint)}`, process.stdout),
  ];
}

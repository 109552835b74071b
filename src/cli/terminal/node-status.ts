/** The node's status as people read it: for `status`, and for the banner of `up`. */
import type { StatusResult } from '../../builtin/results.ts';
import type { UpstreamStatus } from '../../gateway/types.ts';
import { ago, duration, facts, paint, safe, safeLine } from './output.ts';

/** Notes on one server that a person is shown. */
const NOTES_SHOWN = 10;

/** Facts of the node, its servers, then what is wrong. */
export function describeStatus(status: StatusResult): string {
  const { alive, suspect, dead, left } = status.peers;
  const away = suspect + dead + left;
  const rows: [string, string][] = [
    ['node', `${status.name} (pid ${status.pid}, up ${duration(Date.now() - status.startedAt)})`],
    ['PeerId', status.peerId],
    ['identity', status.did],
    ...describeFormerly(status),
    ['mesh', `${status.mesh.name} (${status.mesh.open ? 'open: anyone may join' : 'private'})`],
    ['fingerprint', status.mesh.fingerprint],
    ...status.addresses.map((address, index): [string, string] => [
      index === 0 ? 'listening' : '',
      address,
    ]),
    [
      'peers',
      `${alive} alive${away === 0 ? '' : `, ${suspect} suspect, ${dead} dead, ${left} left`}`,
    ],
    ['MCP', status.endpoints.url ?? 'no HTTP (starling mcp serves stdio)'],
    ...(status.endpoints.tcp === undefined
      ? []
      : [['MCP on TCP', status.endpoints.tcp] satisfies [string, string]]),
    ['token', status.endpoints.tokenFile],
    ['state', status.stateDir],
  ];
  const servers = status.upstreams.filter((upstream) => upstream.kind !== 'builtin');
  return [facts(rows), ...describeServers(servers), ...describeWarnings(status, servers)].join(
    '\n',
  );
}

function describeFormerly({ formerly }: StatusResult): [string, string][] {
  if (formerly === undefined) return [];
  const untold = formerly.untold.map(safeLine).join(', ');
  const told = untold === '' ? 'all peers know' : `not told yet: ${untold}`;
  return [['formerly', `${formerly.did} (until ${ago(formerly.until)}; ${told})`]];
}

function describeServers(servers: readonly UpstreamStatus[]): string[] {
  if (servers.length === 0) return [paint.dim('servers  none: add one with starling mcp add')];
  return servers.flatMap((server) => {
    const name = safeLine(server.server);
    const tools = `${server.tools} ${server.tools === 1 ? 'tool' : 'tools'}`;
    if (server.state === 'ready' || server.state === 'idle') {
      const odd = server.error === undefined ? '' : paint.yellow(` (${safe(server.error)})`);
      const mark = server.notes === undefined ? paint.green('✓') : paint.yellow('✓');
      return [`${mark} ${name}  ${tools}${odd}`, ...describeNotes(server)];
    }
    const hint = server.hint === undefined ? [] : [`    → ${safe(server.hint)}`];
    const mark = server.state === 'starting' ? paint.yellow('…') : paint.red('✗');
    return [
      `${mark} ${name}  ${server.state}: ${safe(server.error ?? 'it has not answered yet')}`,
      ...hint,
    ];
  });
}

/** What of the server's lists is not offered: the first few. */
function describeNotes({ notes = [] }: UpstreamStatus): string[] {
  const shown = notes.slice(0, NOTES_SHOWN).map((note) => `    ${paint.yellow('!')} ${safe(note)}`);
  const rest = notes.length - shown.length;
  return rest === 0 ? shown : [...shown, `    and ${rest} more: starling status --json`];
}

/** The warnings that are not about a server: the list of servers has told those. */
function describeWarnings(status: StatusResult, servers: readonly UpstreamStatus[]): string[] {
  const told = servers.map((server) => `:${server.server}`);
  return status.warnings
    .filter(({ code }) => !told.some((end) => code.endsWith(end)))
    .flatMap(({ text, hint }) => [
      `${paint.yellow('!')} ${safe(text)}`,
      ...(hint === undefined ? [] : [`    → ${safe(hint)}`]),
    ]);
}

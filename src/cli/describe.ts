/** The node's status as people read it: for `status`, and for the banner of `up`. */
import pc from 'picocolors';
import type { StatusResult } from '../builtin/types.ts';
import type { UpstreamStatus } from '../gateway/types.ts';
import { duration, facts, safe } from './output.ts';

/** Facts of the node, then its servers. */
export function describeStatus(status: StatusResult): string {
  const { alive, suspect, dead, left } = status.peers;
  const away = suspect + dead + left;
  const rows: [string, string][] = [
    ['node', `${status.name} (pid ${status.pid}, up ${duration(Date.now() - status.startedAt)})`],
    ['PeerId', status.peerId],
    ['identity', status.did],
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
    ['token', status.endpoints.tokenFile],
    ['state', status.stateDir],
  ];
  const servers = status.upstreams.filter((upstream) => upstream.kind !== 'builtin');
  return [facts(rows), ...describeServers(servers)].join('\n');
}

function describeServers(servers: readonly UpstreamStatus[]): string[] {
  if (servers.length === 0)
    return [pc.dim('servers  none: name some in mcpServers of the config file')];
  return servers.flatMap((server) => {
    const name = safe(server.server);
    const tools = `${server.tools} ${server.tools === 1 ? 'tool' : 'tools'}`;
    if (server.state === 'ready') {
      const odd = server.error === undefined ? '' : pc.yellow(` (${safe(server.error)})`);
      return [`${pc.green('✓')} ${name}  ${tools}${odd}`];
    }
    const hint = server.hint === undefined ? [] : [`    → ${safe(server.hint)}`];
    const mark = server.state === 'starting' ? pc.yellow('…') : pc.red('✗');
    return [
      `${mark} ${name}  ${server.state}: ${safe(server.error ?? 'it has not answered yet')}`,
      ...hint,
    ];
  });
}

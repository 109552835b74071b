/** `starling mcp list` */
import type { StatusResult } from '../../../builtin/results.ts';
import { serverName } from '../../../config/servers/mcp-servers.ts';
import { StarlingError } from '../../../core/errors.ts';
import { readOwnConfig } from '../../node/config-file.ts';
import { paint, printData, safeLine, sentence, table } from '../../terminal/output.ts';
import { factsOf, lineOf } from '../../client-files/server-entry.ts';
import type { EntryFacts } from '../../client-files/server-entry.ts';
import { stateDirOf, withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

type Upstreams = StatusResult['upstreams'];

/** Prints the servers of the config file, and how they do in the node if one runs. */
export async function run(options: CommonOptions): Promise<void> {
  const { file, servers } = await readOwnConfig(options);
  const upstreams = await askNode(options, file.exists ? file.path : undefined);
  const rows = [...servers].map(([name, entry]) => {
    const { state, tools, error } =
      upstreams.find(({ server }) => server === serverName(name)) ?? {};
    // A server that nobody has used for a while has its tools all the same.
    const isThere = state === 'ready' || state === 'idle';
    return { name, ...factsOf(entry), state, tools: isThere ? tools : undefined, error };
  });
  const named = new Set([...servers.keys()].map((name) => serverName(name)));
  const others = upstreams
    .filter(({ server, kind }) => kind !== 'builtin' && !named.has(server))
    .map(({ server }) => server);
  printData({ file: file.path, servers: rows, others }, options.json === true, () => {
    const about =
      rows.length === 0
        ? none(file.path)
        : [tableOf(rows), ...rows.flatMap(troubleOf), `config file: ${safeLine(file.path)}`].join(
            '\n',
          );
    return others.length === 0 ? about : `${about}\n${elsewhere(others)}`;
  });
}

interface Row extends EntryFacts {
  readonly name: string;
  readonly state: Upstreams[number]['state'] | undefined;
  readonly tools: number | undefined;
  readonly error: string | undefined;
}

/** Why a server does not run, and where there is more of it. */
function troubleOf({ name, error, state }: Row): readonly string[] {
  return state === 'failed' && error !== undefined
    ? [sentence(`${paint.red('✗')} `, safeLine(`${name}: ${error} (more: starling status)`))]
    : [];
}

function tableOf(rows: readonly Row[]): string {
  return table(
    ['NAME', 'KIND', 'STATE', 'TOOLS', 'COMMAND OR URL'],
    rows.map((row) => [
      row.name,
      row.kind,
      row.disabled ? 'disabled' : (row.state ?? '–'),
      row.tools === undefined ? '–' : String(row.tools),
      lineOf(row),
    ]),
    { flexible: 4, wrap: true },
  );
}

function none(path: string): string {
  return `no servers in ${safeLine(path)}; add one with: starling mcp add <name> -- <command>`;
}

/** A hint for a person who started the node with `--config` and leaves the option out now. */
function elsewhere(others: readonly string[]): string {
  return safeLine(
    `the running node has ${others.join(', ')} besides: it reads another config file; name that one with --config`,
  );
}

/** Servers of the running node; none when there is no node. */
async function askNode(options: CommonOptions, config: string | undefined): Promise<Upstreams> {
  const state = await stateDirOf(config === undefined ? options : { ...options, config });
  try {
    const status = await withNode({ state }, (node) => node.builtin<StatusResult>('status'));
    return status.upstreams;
  } catch (error) {
    const isAbsent = error instanceof StarlingError && error.code === 'STARLING_NODE_UNREACHABLE';
    if (!isAbsent) throw error;
    return [];
  }
}

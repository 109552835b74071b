/** `starling mcp list` */
import type { StatusResult } from '../../builtin/types.ts';
import { serverName } from '../../config/mcp-servers.ts';
import { StarlingError } from '../../core/errors.ts';
import { readOwnConfig } from '../own-config.ts';
import { printData, safeLine, table } from '../output.ts';
import { factsOf, lineOf } from '../server-entry.ts';
import { stateDirOf, withNode } from '../sources.ts';
import type { CommonOptions } from '../sources.ts';

type Upstreams = StatusResult['upstreams'];

/** Prints the servers of the config file, and how they do in the node if one runs. */
export async function run(options: CommonOptions): Promise<void> {
  const { file, servers } = await readOwnConfig(options);
  const upstreams = await askNode(options, file.exists ? file.path : undefined);
  const rows = [...servers].map(([name, entry]) => {
    const { state, tools, error } =
      upstreams.find(({ server }) => server === serverName(name)) ?? {};
    return { name, ...factsOf(entry), state, tools: state === 'ready' ? tools : undefined, error };
  });
  printData({ file: file.path, servers: rows }, options.json === true, () =>
    rows.length === 0
      ? `no servers in ${safeLine(file.path)}; add one with: starling mcp add <name> -- <command>`
      : table(
          ['NAME', 'KIND', 'STATE', 'TOOLS', 'COMMAND OR URL'],
          rows.map((row) => [
            row.name,
            row.kind,
            row.disabled ? 'disabled' : (row.state ?? '–'),
            row.tools === undefined ? '–' : String(row.tools),
            lineOf(row),
          ]),
          { flexible: 4 },
        ),
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

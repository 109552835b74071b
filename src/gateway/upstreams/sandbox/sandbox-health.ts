/** What `status`, `doctor` and `up` say of servers that run without a sandbox. */
import type { McpServer } from '../../../config/index.ts';
import type { Health, Warning } from '../../../core/index.ts';
import type { Means } from './sandbox-means.ts';
import type { Sandbox } from './sandbox.ts';

const MISSING = 'sandbox-missing';
const OFF = 'sandbox-off';
const OLDER = 'sandbox-older';

/** Raises or clears what is to be said of `servers`. */
export async function tellOfSandbox(
  sandbox: Sandbox | undefined,
  health: Health,
  servers: ReadonlyMap<string, McpServer>,
): Promise<void> {
  for (const code of [MISSING, OFF]) health.clear(code);
  const wanting = [...servers.values()].some(
    (one) => one.type === 'stdio' && one.sandbox !== false,
  );
  const means = wanting ? await sandbox?.means() : undefined;
  for (const warning of sandboxWarnings(means, servers)) health.raise(warning);
}

/** Raises or clears what is to be said of nodes that began after servers which run. */
export async function tellOfNewerNodes(
  sandbox: Pick<Sandbox, 'reachable'>,
  health: Health,
): Promise<void> {
  const found = await sandbox.reachable();
  const folders = [...new Set([...found.values()].flat())];
  const [first] = folders;
  if (first === undefined) return health.clear(OLDER);
  const others = folders.length > 1 ? ` (and ${folders.length - 1} more)` : '';
  const servers = [...found.keys()];
  const commands = servers.map((name) => `starling mcp restart ${name}`).join('; ');
  health.raise({
    code: OLDER,
    text: `${listed(servers)} began before the node in ${first}${others} and can read its key`,
    hint: `a server that starts anew is shut out of it: ${commands}`,
  });
}

/** What is to be said of servers where the system has these means. */
export function sandboxWarnings(
  means: Means | undefined,
  servers: ReadonlyMap<string, McpServer>,
): readonly Warning[] {
  const processes = [...servers].flatMap(([name, server]) =>
    server.type === 'stdio' && !(server.sandbox !== false && server.sandbox?.required === true)
      ? [{ name, isOff: server.sandbox === false }]
      : [],
  );
  const off = processes.filter(({ isOff }) => isOff).map(({ name }) => name);
  const bare = processes.filter(({ isOff }) => !isOff).map(({ name }) => name);
  return [
    ...(means?.kind === 'none' && bare.length > 0
      ? [
          {
            code: MISSING,
            text: `${listed(bare)} can read the key and the token of this node, and act as its operator: ${means.why}`,
            hint: means.hint,
          },
        ]
      : []),
    ...(off.length > 0
      ? [
          {
            code: OFF,
            text: `${listed(off)} can read the key and the token of this node, and act as its operator: "sandbox": false`,
            hint: 'take "sandbox": false away, or let the server reach more by sandbox: { write, read, reach }',
          },
        ]
      : []),
  ];
}

function listed(names: readonly string[]): string {
  return `${names.length === 1 ? 'server' : 'servers'} ${names.map((name) => `'${name}'`).join(', ')}`;
}

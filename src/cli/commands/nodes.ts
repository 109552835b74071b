/** `starling nodes` */
import type { StatusResult } from '../../builtin/results.ts';
import { knownNodes } from '../../config/known-nodes.ts';
import type { KnownNode } from '../../config/known-nodes.ts';
import { StarlingError } from '../../core/errors.ts';
import { withNode } from '../node/locate-node.ts';
import { paintTalk, printData, safeLine, table, tell } from '../terminal/output.ts';
import type { CommonOptions } from '../options/common-options.ts';

/** A node that does not answer in this time hangs, which is a state of its own. */
const TIMEOUT_MS = 5000;

/** Of a state folder whose node failed to start, and has not run since. */
const NEVER = 'never ran';

interface Row {
  readonly name: string | undefined;
  readonly state: 'running' | 'stopped' | 'hangs';
  /** Of a node that was put out of its mesh, and so does not start. */
  readonly isOut?: boolean;
  readonly mesh: string | undefined;
  readonly fingerprint: string | undefined;
  readonly pid: number | undefined;
  readonly stateDir: string;
  readonly configFile: string | undefined;
}

/** Lists the nodes of this user on this machine, running or not. */
export async function run(options: CommonOptions): Promise<void> {
  const nodes = await Promise.all((await knownNodes(process.env)).map(rowOf));
  printData({ nodes }, options.json === true, () =>
    nodes.length === 0
      ? 'no node of yours has run on this machine; start one with: starling up'
      : table(
          ['NAME', 'STATE', 'MESH', 'PID', 'STATE FOLDER'],
          nodes.map(({ name, state, isOut, mesh, pid, stateDir }) => [
            name ?? '–',
            isOut === true ? 'put out' : name === undefined && state === 'stopped' ? NEVER : state,
            mesh ?? '–',
            pid === undefined ? '–' : String(pid),
            stateDir,
          ]),
          { flexible: 4, wrap: true },
        ),
  );
  if (options.json === true) return;
  for (const name of sharedNames(nodes)) {
    tell(
      `${paintTalk.yellow('!')} ${safeLine(name)} is the name of more than one: say which with --state <folder>`,
    );
  }
}

async function rowOf({ stateDir, about }: KnownNode): Promise<Row> {
  const known = {
    name: about?.name,
    mesh: about?.mesh,
    fingerprint: about?.fingerprint,
    configFile: about?.configFile,
    stateDir,
  };
  try {
    const { name, mesh, pid, configFile } = await withNode({ state: stateDir }, (node) =>
      node.builtin<StatusResult>('status', {}, { timeoutMs: TIMEOUT_MS }),
    );
    const { fingerprint } = mesh;
    return { name, state: 'running', mesh: mesh.name, fingerprint, pid, stateDir, configFile };
  } catch (error) {
    if (!(error instanceof StarlingError)) throw error;
    const isOut = error.code === 'STARLING_MEMBERSHIP_ENDED';
    const isStopped = isOut || error.code === 'STARLING_NODE_UNREACHABLE';
    const state = isStopped ? 'stopped' : 'hangs';
    return { ...known, state, pid: undefined, ...(isOut ? { isOut } : {}) };
  }
}

/** Names that several nodes have, so that `--node` can't tell them apart. */
function sharedNames(nodes: readonly Row[]): readonly string[] {
  const names = nodes.flatMap(({ name }) => name ?? []);
  return [...new Set(names.filter((name, index) => names.indexOf(name) !== index))];
}

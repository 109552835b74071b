/** Whole nodes with one board, in this process: over memory, or over TCP on loopback. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNode, loadConfig, silentLogger } from '../../../src/index.ts';
import type { Board, StarlingNode } from '../../../src/index.ts';
import { UNLIMITED } from '../../limits.ts';
import { MemoryNetwork } from '../../memory-transport.ts';
import { until } from './replica.ts';
import type { Replica } from './replica.ts';

/** The one board. */
export const NAME = 'bench';

/** A mesh that can grow. */
export interface BoardMesh {
  readonly nodes: readonly StarlingNode[];
  readonly replicas: readonly Replica[];
  /** Bytes that went between nodes so far. */
  bytes(): number;
  /** Chunks that these came in. */
  chunks(): number;
}

/** Runs `work` with so many nodes that all know each other. */
export async function withNodes<T>(
  count: number,
  work: (mesh: BoardMesh) => Promise<T>,
): Promise<T> {
  const root = await mkdtemp(join(tmpdir(), 'starling-board-'));
  const memory = new MemoryNetwork();
  const nodes: StarlingNode[] = [];
  const startOne = async (): Promise<Replica> => {
    const at = nodes.length;
    const ip = `10.80.0.${at + 1}`;
    const config = await loadConfig({
      env: { STARLING_CONFIG: '' },
      flags: {
        name: `node-${at}`,
        stateDir: join(root, `node-${at}`),
        listen: [`/ip4/${ip}/tcp/4040`],
        bootstrap: nodes.slice(0, 1).flatMap((node) => node.status().addresses.slice(0, 1)),
        open: 'board',
        mdns: false,
        http: { enabled: false },
        limits: UNLIMITED,
      },
    });
    const node = await createNode(config, { transports: [memory.host(ip)], logger: silentLogger });
    nodes.push(node);
    await node.start();
    return replicaOf(await node.board(NAME));
  };
  try {
    const replicas: Replica[] = [];
    for (let i = 0; i < count; i += 1) replicas.push(await startOne());
    const isMet = (node: StarlingNode): boolean =>
      node.peers().filter(({ state }) => state === 'alive').length >= count - 1;
    await until(() => nodes.every(isMet));
    return await work({
      nodes,
      replicas,
      bytes: () => memory.bytes,
      chunks: () => memory.chunks,
    });
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
    await rm(root, { recursive: true, force: true });
  }
}

/** A board as a replica. */
export function replicaOf(board: Board): Replica {
  return {
    set: (key, value) => board.set(key, value),
    get: (key) => board.get(key)?.value,
    size: () => board.info().keys,
    onChange: (listener) => board.watch((changes) => listener(changes.map(({ key }) => key))),
  };
}

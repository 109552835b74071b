/**
 * A replica of a strong board in a process of its own, with callers in it:
 * `node bench-board-strong.js <name> <folder> [address of another]`.
 */
import { createNode, loadConfig, silentLogger } from '../../../src/index.ts';
import type { Board } from '../../../src/index.ts';
import { UNLIMITED } from '../../limits.ts';
import { runLoops } from './strong-loops.ts';
import type { LoopsInit, StrongClient, Times } from './strong-loops.ts';

/** What the process is told. */
export type StrongOrder =
  | { readonly t: 'create'; readonly dids: readonly string[] }
  | ({ readonly t: 'run' } & LoopsInit);

/** What the process says. */
export type StrongNews =
  | { readonly t: 'up'; readonly did: string; readonly address: string }
  /** So many peers are there. */
  | { readonly t: 'peers'; readonly count: number }
  | { readonly t: 'created' }
  | { readonly t: 'ran'; readonly times: Times }
  | { readonly t: 'failed'; readonly text: string };

const NAME = 'bench';
const LOOK_MS = 100;

const [name = '', stateDir = '', address] = process.argv.slice(2);
const config = await loadConfig({
  env: { STARLING_CONFIG: '' },
  flags: {
    name,
    stateDir,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    ...(address === undefined ? {} : { bootstrap: [address] }),
    open: 'board',
    mdns: false,
    http: { enabled: false },
    limits: UNLIMITED,
  },
});
const node = await createNode(config, { logger: silentLogger });
await node.start();
const { did, addresses } = node.status();
say({ t: 'up', did, address: addresses[0] ?? '' });
const looking = setInterval(
  () => say({ t: 'peers', count: node.peers().filter(({ state }) => state === 'alive').length }),
  LOOK_MS,
);
process.on('message', (order: StrongOrder) => {
  clearInterval(looking);
  obey(order).catch((error: unknown) => say({ t: 'failed', text: String(error) }));
});
process.on('disconnect', () => process.exit());

async function obey(order: StrongOrder): Promise<void> {
  const board = await node.board(NAME);
  if (order.t === 'create') {
    await board.create({ strong: order.dids as Parameters<typeof board.grant>[0]['to'][] });
    say({ t: 'created' });
    return;
  }
  await here(board);
  say({ t: 'ran', times: await runLoops([clientOf(board)], order) });
}

/** Waits until the board has come. */
async function here(board: Board): Promise<void> {
  while (!board.isStrong) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
}

function clientOf(board: Board): StrongClient {
  return {
    async cas(key, version, value) {
      return (await board.strong(key, { request: { t: 'cas', value, version } })).ok;
    },
    async get(key) {
      await board.strong(key, { request: { t: 'get' } });
    },
  };
}

function say(news: StrongNews): void {
  process.send?.(news);
}

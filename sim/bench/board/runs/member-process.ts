/**
 * A node in a process of its own that does to boards what it is told, and to which is done what happens to nodes: from
 * some hosts nothing is read, and its clock jumps. `node bench-board-member.js <number> <folder> <fault> <port> [address …]`.
 */
import { createNode, loadConfig, silentLogger } from '../../../../src/index.ts';
import type { Did, Json } from '../../../../src/index.ts';
import { UNLIMITED } from '../../../limits.ts';
import { Gate, gatedTcp } from './gated-tcp.ts';
import { hostOf } from './orders.ts';
import type { MemberNews, MemberOrder } from './orders.ts';

const STRONG = 'jobs';
const OPEN = 'notes';

/** Runs the process. */
export async function runMember([
  number = '0',
  stateDir = '',
  fault = '',
  port = '0',
  ...bootstrap
]: readonly string[]): Promise<void> {
  let offsetMs = 0;
  const realNow = Date.now.bind(Date);
  Date.now = () => realNow() + offsetMs;
  const gate = new Gate();
  const host = hostOf(Number(number));
  const config = await loadConfig({
    env: { STARLING_CONFIG: '' },
    flags: {
      name: `member-${number}`,
      stateDir,
      listen: [`/ip4/${host}/tcp/${port}`],
      bootstrap: [...bootstrap],
      open: 'board',
      mdns: false,
      http: { enabled: false },
      limits: UNLIMITED,
    },
  });
  const node = await createNode(config, {
    logger: silentLogger,
    transports: [gatedTcp(host, gate)],
  });
  await node.start();
  const say = (news: MemberNews): void => void process.send?.(news);
  const obey = async (order: Extract<MemberOrder, { readonly i: number }>): Promise<Json> => {
    const board = await node.board(order.t === 'set' ? OPEN : STRONG);
    switch (order.t) {
      case 'create': {
        await board.create({ strong: order.replicas as readonly Did[] });
        for (const to of order.writers) await board.grant({ to: to as Did, ability: 'write' });
        return true;
      }
      case 'set': {
        await board.set(order.key, order.value);
        return true;
      }
      case 'strong': {
        if (fault === 'stale reads' && order.request.t === 'get') {
          return { ok: true, value: board.get(order.key)?.value ?? null };
        }
        const { key, request, id } = order;
        return { ...(await board.strong(key, { request, id })) };
      }
      case 'look': {
        const notes = await node.board(OPEN);
        const entries = notes.entries().map(({ key, value }): [string, Json] => [key, value]);
        return {
          isStrong: board.isStrong,
          peers: node.peers().filter(({ state }) => state === 'alive').length,
          digest: notes.digest(),
          entries: Object.fromEntries(entries),
        };
      }
    }
  };
  process.on('message', (order: MemberOrder) => {
    if (order.t === 'cut') gate.close(order.from);
    else if (order.t === 'jump') offsetMs = order.ms;
    else {
      const { i } = order;
      obey(order).then(
        (result) => say({ t: 'done', i, result }),
        (error: unknown) => {
          const { code = String(error), data } = error as {
            code?: string;
            data?: { request?: string };
          };
          say({
            t: 'failed',
            i,
            code,
            ...(data?.request === undefined ? {} : { request: data.request }),
          });
        },
      );
    }
  });
  process.on('disconnect', () => process.exit());
  const { did, addresses } = node.status();
  say({ t: 'up', did, address: addresses[0] ?? '' });
}

/**
 * A node in a process of its own that does to boards what it is told, and to which is done what happens to nodes: from
 * some hosts nothing is read, and its clock jumps. `node bench-board-member.js <number> <place of its run> <folder> <fault> <port> [address …]`.
 */
import { createNode, loadConfig, silentLogger } from '../../../../src/index.ts';
import type { Did, Json } from '../../../../src/index.ts';
import { UNLIMITED } from '../../../limits.ts';
import { Gate, gatedTcp } from './gated-tcp.ts';
import type { RunHooks } from './faults.ts';
import { hostOf } from './orders.ts';
import type { MemberNews, MemberOrder } from './orders.ts';

const STRONG = 'jobs';
const OPEN = 'notes';

/** What is planted looks here; a program without faults does not. */
declare global {
  var starlingRun: RunHooks;
}

/** Runs the process. */
export async function runMember([
  number = '0',
  place = '0',
  stateDir = '',
  fault = '',
  port = '0',
  ...bootstrap
]: readonly string[]): Promise<void> {
  let offsetMs = 0;
  const realNow = Date.now.bind(Date);
  Date.now = () => realNow() + offsetMs;
  const pace = new Pace();
  globalThis.starlingRun = { fault, goOn: () => pace.goOn() };
  const gate = new Gate();
  const host = hostOf(Number(number), Number(place));
  const config = await loadConfig({
    env: { STARLING_CONFIG: '' },
    flags: {
      name: `member-${number}`,
      stateDir,
      listen: [`/ip4/${host}/tcp/${port}`],
      bootstrap: [...bootstrap],
      open: 'board',
      mdns: false,
      // Who is parted from somebody must have no way to that one.
      relay: false,
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
        const { key, request, id } = order;
        return { ...(await board.strong(key, { request, id })) };
      }
      case 'change': {
        const { add, remove } = order;
        return board.changeReplicas({
          add: add as readonly Did[],
          remove: remove as readonly Did[],
        });
      }
      case 'look': {
        const notes = await node.board(OPEN);
        const entries = notes.entries().map(({ key, value }): [string, Json] => [key, value]);
        return {
          isStrong: board.isStrong,
          peers: node.peers().filter(({ state }) => state === 'alive').length,
          digest: notes.digest(),
          held: pace.held,
          entries: Object.fromEntries(entries),
        };
      }
    }
  };
  process.on('message', (order: MemberOrder) => {
    if (order.t === 'cut') gate.close(order.from, order.isParted);
    else if (order.t === 'slow') pace.slow(order.isSlow);
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

/** Whether a proposer that has the promises of a majority goes on at once. */
class Pace {
  #isSlow = false;
  #waiting: (() => void)[] = [];

  /** How many changes wait. */
  get held(): number {
    return this.#waiting.length;
  }

  slow(isSlow: boolean): void {
    this.#isSlow = isSlow;
    if (isSlow) return;
    for (const goOn of this.#waiting) goOn();
    this.#waiting = [];
  }

  async goOn(): Promise<void> {
    if (this.#isSlow) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

/** `starling top` */
import type { PeersResult, StatusResult } from '../../builtin/results.ts';
import { StarlingError } from '../../core/errors.ts';
import { EXIT } from '../../core/exit-codes.ts';
import type { ExitCode } from '../../core/exit-codes.ts';
import { createScope } from '../../core/lifecycle.ts';
import { systemClock } from '../../core/time/clock.ts';
import { sleep } from '../../core/wait.ts';
import type { NodeFigures } from '../../metrics/types.ts';
import type { NodeClient } from '../node/client.ts';
import { attachTo, stateDirOf, watchNode } from '../node/locate-node.ts';
import type { CommonOptions } from '../options/common-options.ts';
import { topScreen, topText } from '../terminal/figure-lines.ts';
import type { Cut, Reading } from '../terminal/figure-lines.ts';
import { untilInterrupted } from '../terminal/interrupted.ts';
import { openLiveScreen } from '../terminal/live-screen.ts';
import { columnsOf, printData } from '../terminal/output.ts';

const EVERY_MS = 2000;
/** A node that takes longer is shown as one that does not answer. */
const ANSWER_MS = 5000;
/** With more of them the page would cost the node more than what it shows. */
const PEERS_MAX = 100;

/** Options of the command. */
interface TopOptions extends CommonOptions {
  readonly once?: boolean;
}

/** Shows the node until a person ends it; one reading where nobody watches. */
export function run(options: TopOptions): Promise<ExitCode> {
  const isLive = options.json !== true && options.once !== true && process.stdout.isTTY;
  return untilInterrupted((signal) => (isLive ? live(options, signal) : once(options, signal)));
}

function once(options: TopOptions, signal: AbortSignal): Promise<ExitCode> {
  const read = async (node: NodeClient): Promise<ExitCode> => {
    const reading = await createReader(node)();
    const { name, mesh, startedAt, figures, peers } = reading;
    const data = {
      name,
      mesh,
      startedAt,
      ...figures,
      ...(peers === undefined ? {} : { each: peers }),
    };
    printData(data, options.json === true, () => topText(reading, columnsOf(process.stdout)));
    return EXIT.done;
  };
  return watchNode(options, read, signal);
}

/** One connection after the other: a node that is started again is found again. */
async function live(options: TopOptions, interrupt: AbortSignal): Promise<ExitCode> {
  const quit = new AbortController();
  const signal = AbortSignal.any([interrupt, quit.signal]);
  const stateDir = await stateDirOf(options);
  const connect = (): Promise<NodeClient> => attachTo(stateDir, { signal, watching: true });
  // Where no node runs at first, that is said on the screen that stays.
  let node: NodeClient | undefined = await connect();
  let read = createReader(node);
  let reading = await read();
  const scope = createScope(systemClock);
  signal.addEventListener('abort', () => scope.close(), { once: true });
  const screen = openLiveScreen((typed) => {
    if (/q/i.test(typed)) quit.abort();
  });
  try {
    let cut: Cut | undefined;
    do {
      const shown = { reading, cut };
      screen.show((size) => topScreen(shown.reading, size, shown.cut));
      if (!(await sleep(scope, EVERY_MS))) return EXIT.done;
      try {
        if (node === undefined) {
          node = await connect();
          read = createReader(node);
        }
        reading = await read();
        cut = undefined;
      } catch (error) {
        if (!(error instanceof StarlingError) && !signal.aborted) throw error;
        node?.close();
        node = undefined;
        cut = { since: cut?.since ?? Date.now(), why: wordsOf(error) };
      }
    } while (!signal.aborted);
    return EXIT.done;
  } finally {
    screen.close();
    node?.close();
  }
}

function wordsOf(error: unknown): string {
  return error instanceof StarlingError ? error.message : '';
}

type About = Pick<Reading, 'mesh' | 'name' | 'startedAt'>;

function aboutOf({ name, mesh, startedAt }: StatusResult): About {
  return { name, mesh: mesh.name, startedAt };
}

/** Looks at the node of one connection, which is one run of it. */
function createReader(node: NodeClient): () => Promise<Reading> {
  let about: About | undefined;
  let before: NodeFigures | undefined;
  const ask = <T>(tool: string): Promise<T> => node.builtin<T>(tool, {}, { timeoutMs: ANSWER_MS });
  return async () => {
    about ??= aboutOf(await ask<StatusResult>('status'));
    const figures = await ask<NodeFigures>('node_figures');
    const many = Object.values(figures.peers).reduce((sum, count) => sum + count, 0);
    const peers = many > PEERS_MAX ? {} : { peers: (await ask<PeersResult>('peers')).peers };
    const reading: Reading = {
      ...about,
      figures,
      ...peers,
      ...(before === undefined ? {} : { before }),
    };
    before = figures;
    return reading;
  };
}

/**
 * A process of the benchmark's floors: `bench-floor.js <kind> <arguments>`. It prints one line when it is ready,
 * its port or address where it has one, and ends with its standard input.
 */
import { answer } from '../upstream-answers.ts';
import { answerNats } from './nats.ts';
import {
  childOf,
  peerAt,
  pipeTo,
  serveHttp,
  serveLines,
  serveSocket,
  serveTls,
  toProgram,
} from './relays.ts';

const [kind = '', first = '', second = '', third = ''] = process.argv.slice(2);
/** Whether each line goes over a libp2p stream by itself. */
const framing = [second, third].includes('alone') ? 'alone' : 'together';

async function begin(): Promise<string | number> {
  switch (kind) {
    case 'http':
      return serveHttp(childOf(first));
    case 'http-to-peer':
      return serveHttp(await peerAt(Number(first)));
    case 'peer':
      return serveTls(first);
    case 'socket':
      await serveSocket(first, second);
      return '';
    case 'nats':
      await answerNats(Number(first), (text) => answer(text).trimEnd());
      return '';
    case 'libp2p': {
      // Only here: the other floors are to be as small as they can be.
      const { listenLibp2p } = await import('./libp2p.ts');
      if (first !== '') return listenLibp2p(toProgram(childOf(first)), framing);
      return listenLibp2p((line, send) => {
        const reply = answer(line.toString('utf8'));
        if (reply !== '') send(reply);
      }, framing);
    }
    case 'socket-to-libp2p': {
      const { openLibp2p } = await import('./libp2p.ts');
      await serveLines(first, (line) => openLibp2p(second, line, framing));
      return '';
    }
    default:
      throw new Error(`no floor is called ${kind}`);
  }
}

if (kind === 'pipe') await pipeTo(first);
else {
  process.stdout.write(`${await begin()}\n`);
  process.stdin.resume();
  process.stdin.once('end', () => process.exit());
}

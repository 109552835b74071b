/** The figures of a node as lines of a terminal: what `starling top` shows. Pure. */
import type { PeerSummary } from '../../builtin/results.ts';
import { amountText } from '../../core/words/amount-text.ts';
import { shownName } from '../../core/words/shown-name.ts';
import type { NodeFigures, UnitFigures } from '../../metrics/types.ts';
import { ago, duration, paint, safeLine, size, table } from './output.ts';
import type { ScreenLine, ScreenSize } from './live-screen.ts';
import { stateWord } from './peer-state.ts';

const BARS = '▁▂▃▄▅▆▇█';
/** With fewer of them the words beside them are left off. */
const LEAST_BARS = 10;
const LABEL_COLUMNS = 9;
/** States as people say them. */
const WORDS: Readonly<Record<string, string>> = {
  input_required: 'waiting for an answer',
  left: 'stopped',
};
/** The peers that are not well stand first. */
const PEER_ORDER = ['suspect', 'dead', 'alive', 'left'];
/** Lines that the table of peers needs besides its rows: an empty one before, its head, and what it leaves out. */
const AROUND_PEERS = 3;

/** What one look has given. */
export interface Reading {
  readonly name: string;
  readonly mesh: string;
  /** When the node started, ms since the epoch. */
  readonly startedAt: number;
  readonly figures: NodeFigures;
  /** The look before this one, of the same run of the node. */
  readonly before?: NodeFigures;
  /** Absent where there are too many to ask for. */
  readonly peers?: readonly PeerSummary[];
}

/** Why the last look gave nothing, and since when, ms since the epoch. */
export interface Cut {
  readonly since: number;
  readonly why: string;
}

/** The reading as a screen of this size has it. */
export function topScreen(
  reading: Reading,
  { columns, rows }: ScreenSize,
  cut?: Cut,
): readonly ScreenLine[] {
  const lines = [
    ...(cut === undefined ? [headLine(reading)] : cutLines(cut, reading)),
    BLANK,
    ...figureLines(reading, columns),
  ];
  const table = peerLines(reading, columns, rows - lines.length - 1);
  return table === undefined
    ? shortened([...lines, ...peersInShort(reading)], rows)
    : [...lines, ...table, END];
}

/** What of the lines fits, without what is there for the eye first, and at last with a word that not all does. */
function shortened(lines: readonly FigureLine[], rows: number): readonly ScreenLine[] {
  const kept = [...lines];
  while (kept.length >= rows) {
    const spare = kept.findIndex(({ isSpare }) => isSpare === true);
    if (spare === -1) break;
    kept.splice(spare, 1);
  }
  return [...kept.slice(0, Math.max(1, rows - 1)), END_OF_SHORT];
}

/** The reading as it is printed once, with all peers that were asked for. */
export function topText(reading: Reading, columns: number): string {
  const lines = [headLine(reading), BLANK, ...figureLines(reading, columns)];
  return [...lines, ...(peerLines(reading, columns, Infinity) ?? [])]
    .map(({ text, paint: painted = (same: string) => same }) => painted(text))
    .join('\n');
}

/** A line that is left out where there is room for few. */
interface FigureLine extends ScreenLine {
  readonly isSpare?: boolean;
}

const BLANK: FigureLine = { text: '', isSpare: true };
const END: ScreenLine = { text: 'q or Ctrl-C ends this', paint: paint.dim };
/** The screen is too low for all. */
const END_OF_SHORT: ScreenLine = {
  text: 'q ends this; all of it: starling top --once',
  paint: paint.dim,
};

function headLine({ name, mesh, startedAt, figures }: Reading): ScreenLine {
  return {
    text: safeLine(`${name} in ${mesh}, up ${duration(figures.at - startedAt)}`),
    paint: paint.bold,
  };
}

/** What a person reads while the node does not answer. */
function cutLines({ since, why }: Cut, { name, figures }: Reading): ScreenLine[] {
  const was = ago(figures.at, Date.now());
  return [
    {
      text: safeLine(`! ${name} does not answer since ${time(since)}: ${why}`),
      paint: paint.yellow,
    },
    {
      text: `  it is asked again every other second; what stands below was so ${was}`,
      paint: paint.yellow,
    },
  ];
}

function figureLines(reading: Reading, columns: number): readonly FigureLine[] {
  const { calls, peers, sessions, servers, agents, tasks, boards, warnings } = reading.figures;
  const doors = Object.values(sessions).reduce((sum, count) => sum + count, 0);
  return [
    line(
      'calls',
      `${calls.perSecond.toFixed(1)} a second, ${calls.underWay} under way${bad(calls)}`,
    ),
    ...(calls.p50Ms === undefined || calls.p99Ms === undefined
      ? []
      : [
          line(
            '',
            `half took up to ${ms(calls.p50Ms)} (p50), 99 of 100 up to ${ms(calls.p99Ms)} (p99)`,
          ),
        ]),
    { ...line('', hour(calls.minutes, columns - LABEL_COLUMNS), paint.cyan), isSpare: true },
    line('peers', counted(worded(peers)) || 'none yet: starling invite'),
    line('servers', counted(Object.entries(servers)) || 'none'),
    line('agents', counted(Object.entries(agents)) || 'none'),
    line('tasks', counted(worded(tasks)) || 'none'),
    ...spendLines(reading.figures),
    line(
      'node',
      `${cpu(reading)}, ${size(reading.figures.memoryBytes)} of memory, ${many(doors, 'session')}, ${many(boards, 'board')}`,
    ),
    ...(warnings === 0
      ? []
      : [line('!', `${many(warnings, 'lasting trouble')}: starling status`, paint.yellow)]),
  ];
}

function line(label: string, text: string, painted?: (text: string) => string): ScreenLine {
  return {
    text: `${label.padEnd(LABEL_COLUMNS)}${safeLine(text)}`,
    ...(painted === undefined ? {} : { paint: painted }),
  };
}

function bad({ failed, refused }: NodeFigures['calls']): string {
  const told = counted([
    ['failed', failed],
    ['refused', refused],
  ]);
  return told === '' ? '' : ` (${told} of the last ten seconds)`;
}

/** How many there were by the minute, as bars as high as their share of the most. */
function hour(minutes: readonly number[], columns: number): string {
  const most = Math.max(...minutes);
  const words = `  the last hour, at most ${most.toLocaleString('en-US')} a minute`;
  const isWide = columns - words.length >= LEAST_BARS;
  const room = isWide ? columns - words.length : columns;
  const shown = minutes.slice(-Math.max(1, room));
  const bars = shown.map((count) => BARS[most === 0 ? 0 : Math.ceil((count / most) * 7)] ?? '');
  return bars.join('') + (isWide ? words : '');
}

function worded(counts: NodeFigures['peers']): readonly (readonly [string, number])[] {
  return Object.entries(counts).map(([state, count]) => [WORDS[state] ?? state, count]);
}

/** `3 running, 1 done`; empty for nothing. */
function counted(counts: readonly (readonly [string, number])[]): string {
  return counts
    .filter(([, count]) => count > 0)
    .map(([word, count]) => `${count.toLocaleString('en-US')} ${word}`)
    .join(', ');
}

function many(count: number, noun: string): string {
  return `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`;
}

function spendLines({ models, budgets }: NodeFigures): readonly ScreenLine[] {
  const { calls, costMicroUsd, inputTokens, lastHourMicroUsd, outputTokens } = models;
  const tokens = (inputTokens + outputTokens).toLocaleString('en-US');
  const ofModels =
    calls === 0
      ? 'no model was asked since the node started'
      : `${amountText(lastHourMicroUsd, 'usd')} in the last hour for models, ${amountText(costMicroUsd, 'usd')} and ${tokens} tokens since the start`;
  return [line('spend', ofModels), ...budgets.map((unit) => line('', budgetText(unit)))];
}

function budgetText({ budgets, unit, limit, spent, held, free }: UnitFigures): string {
  const counts = unit === 'usd' || unit === 'tokens' || unit === 'calls' ? unit : 'calls';
  const said = (amount: number): string => amountText(amount, counts);
  return `${many(budgets, 'budget')}: ${said(spent)} of ${said(limit)} spent, ${said(held)} held, ${said(free)} free here`;
}

/** What the node took of one core since the look before. */
function cpu({ figures, before }: Reading): string {
  if (before === undefined || figures.at <= before.at)
    return `${duration(figures.cpuMs)} of CPU time`;
  const share = ((figures.cpuMs - before.cpuMs) / (figures.at - before.at)) * 100;
  return `${Math.max(0, share).toFixed(0)} % of a core`;
}

function ms(value: number): string {
  return value >= 1000 ? `${value / 1000} s` : `${value} ms`;
}

function time(at: number): string {
  return new Date(at).toTimeString().slice(0, 8);
}

/** As many peers as there is room for, those that are not well first; undefined where there is no room for any. */
function peerLines(
  reading: Reading,
  columns: number,
  room: number,
): readonly ScreenLine[] | undefined {
  const { peers, figures } = reading;
  if (peers === undefined) return room < 2 ? undefined : [BLANK, ...peersInShort(reading)];
  if (peers.length === 0) return room < 0 ? undefined : [];
  const fitting = Math.min(peers.length, room - AROUND_PEERS);
  if (fitting < 1) return undefined;
  const rows = sorted(peers)
    .slice(0, fitting)
    .map((peer) => [
      shownName(peer),
      stateWord(peer),
      ago(peer.lastHeartbeatAt, figures.at),
      peer.rttMs === undefined ? '–' : `${peer.rttMs.toFixed(1)} ms`,
      peer.route ?? '–',
    ]);
  const [head = '', ...shown] = table(['PEER', 'STATE', 'HEARTBEAT', 'RTT', 'ROUTE'], rows, {
    columns,
    flexible: 0,
  }).split('\n');
  const rest = peers.length - fitting;
  return [
    BLANK,
    { text: head },
    ...shown.map((text) => ({ text })),
    ...(rest === 0 ? [] : [{ text: `and ${rest} more: starling peers` }]),
  ];
}

/** The peers in one line, as far as it goes; none where there are none. */
function peersInShort({ peers, figures }: Reading): readonly ScreenLine[] {
  if (peers === undefined) {
    const all = Object.values(figures.peers).reduce((sum, count) => sum + count, 0);
    return [{ text: `${all} peers are too many for this page: starling peers` }];
  }
  if (peers.length === 0) return [];
  const each = sorted(peers).map((peer) => `${shownName(peer)} ${stateWord(peer)}`);
  return [line('each', each.join(', '))];
}

function sorted(peers: readonly PeerSummary[]): readonly PeerSummary[] {
  return peers.toSorted((one, other) => rank(one) - rank(other));
}

function rank({ state }: PeerSummary): number {
  return PEER_ORDER.indexOf(state);
}

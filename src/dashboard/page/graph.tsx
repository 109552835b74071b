/**
 * The mesh as a picture: this node in the middle, its peers on rings around it, one line for each connection. The table
 * below it says the same in words. Places depend on the names alone, so that nothing jumps while it is watched.
 */
import type { PeerSummary } from '../../builtin/results.ts';
import { latency } from './words.ts';

const WIDTH = 720;
/** Few peers need less room. */
const HEIGHTS: readonly (readonly [peers: number, height: number])[] = [
  [2, 170],
  [6, 280],
];
const HEIGHT_MAX = 400;
/** Peers on the innermost ring; each further ring has room for as many more. */
const RING = 12;
/** More labels than this can't be read. */
const LABELS_MAX = 40;
const LATENCIES_MAX = 16;

interface Placed {
  readonly peer: PeerSummary;
  readonly x: number;
  readonly y: number;
}

/** The picture. */
export function Graph({
  self,
  peers,
  onShow,
}: {
  self: string;
  peers: readonly PeerSummary[];
  onShow: (alias: string) => void;
}) {
  const [, height] = HEIGHTS.find(([most]) => peers.length <= most) ?? [0, HEIGHT_MAX];
  const placed = place(peers, height);
  const [x, y] = [WIDTH / 2, height / 2];
  const words = peers.map(({ alias, state, rttMs }) => `${alias} ${state} ${latency(rttMs)}`);
  const told = words.slice(0, LABELS_MAX).join(', ');
  return (
    <svg
      class="graph"
      viewBox={`0 0 ${WIDTH} ${height}`}
      role="img"
      aria-label={`${self} and its peers: ${told}`}
    >
      {placed.map((one) => (
        <Edge
          from={{ x, y }}
          to={one}
          isLabelled={peers.length <= LATENCIES_MAX}
          key={one.peer.peerId}
        />
      ))}
      {placed.map((one) => (
        <g
          class={`peer ${one.peer.state} ${sideOf(one)}`}
          onClick={() => onShow(one.peer.alias)}
          key={one.peer.peerId}
        >
          <circle cx={one.x} cy={one.y} r={peers.length > RING ? 8 : 12} />
          {peers.length > LABELS_MAX ? undefined : (
            <text x={one.x} y={one.y + (one.y < y ? -20 : 32)}>
              {shortened(one.peer.alias)}
            </text>
          )}
        </g>
      ))}
      <g class="self">
        <circle cx={x} cy={y} r={18} />
        <text x={x} y={y + 38}>
          {shortened(self)}
        </text>
      </g>
    </svg>
  );
}

function Edge({
  from,
  to,
  isLabelled,
}: {
  from: { readonly x: number; readonly y: number };
  to: Placed;
  isLabelled: boolean;
}) {
  const { state, route, rttMs } = to.peer;
  return (
    <g class={`edge ${state} ${route ?? 'none'}`}>
      <line x1={from.x} y1={from.y} x2={to.x} y2={to.y} />
      {isLabelled && rttMs !== undefined && state === 'alive' ? (
        <text x={(from.x + to.x) / 2} y={(from.y + to.y) / 2 - 6}>
          {latency(rttMs)}
        </text>
      ) : undefined}
    </g>
  );
}

/** Peers by name around the middle: rings from the inside out, each as far apart as its room allows. */
function place(peers: readonly PeerSummary[], height: number): readonly Placed[] {
  const sorted = peers.toSorted((a, b) => (a.peerId < b.peerId ? -1 : 1));
  const rings: PeerSummary[][] = [];
  for (let at = 0, room = RING; at < sorted.length; at += room, room += RING) {
    rings.push(sorted.slice(at, at + room));
  }
  return rings.flatMap((ring, index) => {
    const share = (index + 1) / rings.length;
    const [rx, ry] = [(WIDTH / 2 - 60) * share, (height / 2 - 46) * share];
    return ring.map((peer, position) => {
      const angle = (2 * Math.PI * position) / ring.length + index * 0.3;
      return { peer, x: WIDTH / 2 + rx * Math.cos(angle), y: height / 2 + ry * Math.sin(angle) };
    });
  });
}

/** Which edge of the picture is near. */
function sideOf({ x }: Placed): string {
  if (x < WIDTH / 4) return 'at-left';
  return x > (WIDTH * 3) / 4 ? 'at-right' : '';
}

function shortened(name: string): string {
  return name.length > 18 ? `${name.slice(0, 17)}…` : name;
}
